"""Figure 4: test RD curves by the size of the training set, of CV and of CD splits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps

from rdpipe.figures import style
from rdpipe.figures.rd_plane import (
    KINDS,
    Curve,
    annotate,
    draw_curves,
    legend_handles,
    numbers,
    panels,
    points,
)
from rdpipe.files import read_parquet


@style.paper
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
        where fig4.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        curves, by ascending size, and their kinds in the order of the rows; columns from the left.
    arch_labels
        what the figure calls each architecture.
    """
    summary = read_parquet(inputs["summary"])
    about = summary.drop_duplicates("split").set_index("split")
    kinds = list(dict.fromkeys(about.loc[list(splits), "split_kind"]))
    figure, grid = panels(len(kinds), len(archs))
    drawn = {}
    for (i, j), axes in np.ndenumerate(grid):
        kind, arch = kinds[i], archs[j]
        chosen = [split for split in splits if about.loc[split, "split_kind"] == kind]
        sizes = [style.thousands(n) for n in about.loc[chosen, "n_train"]]
        colors = colormaps["viridis"](np.linspace(0.85, 0, len(chosen)))  # its end is too pale
        curves = drawn[axes] = [
            Curve(points(summary, split, arch, "test"), size, color)
            for split, size, color in zip(chosen, sizes, colors, strict=True)
        ]
        draw_curves(axes, curves)
        axes.set_title(f"{KINDS[kind]}, {arch_labels[arch]}", loc="left")
        place = {"loc": "lower right", "bbox_to_anchor": (1.02, 0.96), "columnspacing": 1}
        axes.legend(handles=legend_handles(curves)[:-2], ncol=len(curves), **place)
    for axes, curves in drawn.items():
        annotate(axes, curves)
    figure.legend(handles=legend_handles([]), loc="lower center", ncol=2)
    style.save(figure, folder, "fig4", numbers(drawn))
