"""Figure 4: test RD curves by the size of the training set, of CV and of CD splits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.lines import Line2D

from rdpipe.figures import _style
from rdpipe.figures._labels import SPLIT_KINDS, thousands
from rdpipe.figures._rd_plane import (
    Curve,
    annotate,
    curve_handles,
    draw_curves,
    mark_handles,
    numbers,
    panels,
    points,
)
from rdpipe.files import read_parquet

N_TRAIN = r"$N_\mathrm{train}$:"  # before the sizes
ON_THE_TITLE_LINE: dict[str, Any] = {
    "loc": "lower right",
    "bbox_to_anchor": (1.02, 0.96),
    "columnspacing": 0.9,
    "handlelength": 1.2,
    "handletextpad": 0.4,
}


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[str],
    archs: Sequence[str],
    arch_labels: Mapping[str, str],
) -> None:
    """Draw one panel a kind of split (row) and architecture (column), with a curve a split.

    Parameters
    ----------
    folder
        Where fig4.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Curves, by ascending size, and their kinds in the order of the rows; columns from the left.
    arch_labels
        What the figure calls each architecture.
    """
    summary = read_parquet(inputs["summary"])
    about = summary.drop_duplicates("split").set_index("split")
    kinds = list(dict.fromkeys(about.loc[list(splits), "split_kind"]))
    figure, grid = panels(len(kinds), len(archs))
    drawn = {}
    for (i, j), axes in np.ndenumerate(grid):
        kind, arch = kinds[i], archs[j]
        chosen = [split for split in splits if about.loc[split, "split_kind"] == kind]
        sizes = [thousands(n) for n in about.loc[chosen, "n_train"]]
        colours = colormaps["viridis"](np.linspace(0.85, 0, len(chosen)))  # its end is too pale
        curves = drawn[axes] = [
            Curve(points(summary, split, arch, "test"), size, colour)
            for split, size, colour in zip(chosen, sizes, colours, strict=True)
        ]
        draw_curves(axes, curves)
        axes.set_title(f"{SPLIT_KINDS[kind]}, {arch_labels[arch]}", loc="left")
        handles = [Line2D([], [], linestyle="none", label=N_TRAIN), *curve_handles(curves)]
        axes.legend(handles=handles, ncol=len(handles), **ON_THE_TITLE_LINE)
    for axes, curves in drawn.items():
        annotate(axes, curves)
    figure.legend(handles=mark_handles(), loc="lower center", ncol=2)
    _style.save(figure, folder, "fig4", numbers(drawn))
