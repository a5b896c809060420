"""How far test images lie from the training set: the distance to the nearest neighbour."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rdpipe.common.files import read_parquet
from rdpipe.figures import _style
from rdpipe.figures._labels import split_colours, split_labels

DIFFICULT = 0.9  # the percentile of the difficult examples (Section 4.4)


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel a dataset, with a cumulative curve a split.

    Parameters
    ----------
    folder
        Where nearest_neighbours.pdf, .png and .csv (split, share, distance) go.
    inputs
        An experiment's `neighbours` (neighbours.parquet) and `summary` (rd_summary.parquet).
    splits
        Curves (see `rdpipe.figures`).
    archs
        Not shown: distances are of the images alone.
    """
    neighbours, summary = read_parquet(inputs["neighbours"]), read_parquet(inputs["summary"])
    labels = split_labels(summary, splits)
    colours = split_colours(summary, [*labels])
    datasets = list(dict.fromkeys(split["dataset"] for split in splits))
    legend = [_style.line(labels[split], colour) for split, colour in colours.items()]
    legend.append(_style.line("90th percentile", **_style.REFERENCE))
    figure, grid = _style.wrapped(
        len(datasets),
        legend=legend,
        xlabel=r"$\ell_2$ distance to train",
        ylabel="share of test images",
        aspect=0.8,
        share="none",
    )
    for split in splits:
        axes, colour = grid[datasets.index(split["dataset"])], colours[split["name"]]
        curve = neighbours[neighbours["split"] == split["name"]].sort_values("share")
        axes.plot(curve["distance"], curve["share"], color=colour)
        at = np.interp(DIFFICULT, curve["share"], curve["distance"])
        axes.plot(at, DIFFICULT, "o", color=colour, markersize=3)
    for axes, dataset in zip(grid, datasets, strict=True):
        axes.axhline(DIFFICULT, zorder=0.5, **_style.REFERENCE)
        axes.set(xlim=(0, None), ylim=(0, 1.02))
        if len(datasets) > 1:
            _style.title(axes, dataset)
    shown = neighbours[neighbours["split"].isin([*labels])]
    _style.save(figure, folder, "nearest_neighbours", shown)
