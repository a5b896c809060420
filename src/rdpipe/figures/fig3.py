"""Figure 3: training and test RD curves by split and architecture, with reconstructions."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rdpipe.common.files import read_parquet
from rdpipe.figures import _rd_plane, _strips, _style
from rdpipe.figures._labels import split_labels
from rdpipe.figures._rd_plane import Curve, Panel, points


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel a split (row) and architecture (column), below its reconstructions.

    Parameters
    ----------
    folder
        Where fig3.pdf, .png and .csv (the points of all curves) go.
    inputs
        An experiment's `summary` (rd_summary.parquet), `runs` (rd.parquet) and `reconstructions`
        (reconstructions.npz).
    splits, archs
        Rows from the top; columns from the left (see `rdpipe.figures`).
    """
    summary = read_parquet(inputs["summary"])
    labels = split_labels(summary, splits)
    names = [split["name"] for split in splits]
    strips = _strips.strips(inputs, names, len(archs), {"reconstruction": "reconstructions"})
    rows = [[_panel(summary, split, arch, labels[split]) for arch in archs] for split in names]
    figure, drawn = _rd_plane.page(rows, above=strips.above)
    for axes, (split, arch) in zip(drawn, itertools.product(names, archs), strict=True):
        _strips.show(strips, axes, split, arch["name"])
    _rd_plane.save(folder, "fig3", figure, drawn)


def _panel(summary: pd.DataFrame, split: str, arch: Mapping[str, Any], label: str) -> Panel:
    curves = [
        Curve(points(summary, split, arch["name"], "train"), "training", _style.TRAIN, "--"),
        Curve(points(summary, split, arch["name"], "test"), "test", _style.TEST),
    ]
    return Panel(f"{label}, {arch['label']}", curves, betas_of=curves[1])
