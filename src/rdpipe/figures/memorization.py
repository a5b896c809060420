"""How often a reconstruction is nearer to a training image than to its input, against β."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rdpipe.common.files import read_parquet
from rdpipe.figures import _over_beta, _style
from rdpipe.figures._labels import in_dataset, split_colours, split_labels
from rdpipe.figures._points import points

BASELINE: dict[str, Any] = {"color": "black", "linestyle": ":"}


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel a dataset (row) and architecture (column), with a curve a split.

    The densest split is the baseline (dotted): where test images lie among training images, many a
    good reconstruction happens to be nearer to one of those.

    Parameters
    ----------
    folder
        Where memorization.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Curves; columns from the left (see `rdpipe.figures`).
    """
    summary = read_parquet(inputs["summary"])
    labels = split_labels(summary, splits)
    colours = split_colours(summary, [*labels])
    datasets: dict[str, list[str]] = {}
    for split in splits:
        datasets.setdefault(split["dataset"], []).append(split["name"])
    baselines = {_baseline(summary, names) for names in datasets.values()}
    looks = {
        split: BASELINE if split in baselines else {"color": colours[split]} for split in labels
    }
    figure, grid = _style.panels(
        len(datasets),
        len(archs),
        legend=[
            _style.line(label + ", baseline" * (split in baselines), **looks[split], **_style.DOT)
            for split, label in labels.items()
        ],
        xlabel=r"$\beta$",
        ylabel="share memorised",
    )
    plotted = []
    cells = itertools.product(datasets.items(), archs)
    for axes, ((dataset, names), arch) in zip(grid.flat, cells, strict=True):
        for split in names:
            shown = points(summary, split, arch["name"], "test", ["memorization"])
            _over_beta.plot(axes, shown, "memorization", **looks[split])
            plotted.append(shown)
        _over_beta.scale(axes, summary["beta"])
        axes.set_ylim(-0.03, 1.03)
        _style.title(axes, in_dataset(arch["label"], dataset, splits))
    _style.save(figure, folder, "memorization", pd.concat(plotted))


def _baseline(summary: pd.DataFrame, names: Sequence[str]) -> str | None:
    """The densest of a dataset's splits: the CV split that trains on most; None of a single one."""
    about = summary[(summary["split_kind"] == "cv") & summary["split"].isin(names)]
    if len(names) < 2 or about.empty:
        return None
    return str(about.sort_values("n_train")["split"].iloc[-1])
