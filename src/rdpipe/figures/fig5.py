"""Figure 5: test RD curves of several splits, by architecture."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from rdpipe.figures import style
from rdpipe.figures.rd_plane import (
    Curve,
    annotate,
    draw_curves,
    legend_handles,
    numbers,
    panels,
    points,
    split_label,
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
    """Draw one panel an architecture, with a curve a split.

    Parameters
    ----------
    folder
        where fig5.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        curves; panels from the left.
    arch_labels
        what the figure calls each architecture.
    """
    summary = read_parquet(inputs["summary"])
    figure, grid = panels(1, len(archs))
    drawn = {}
    for arch, axes in zip(archs, grid.flat, strict=True):
        curves = drawn[axes] = [
            Curve(points(summary, split, arch, "test"), split_label(summary, split), color)
            for split, color in zip(splits, itertools.cycle(style.COLORS), strict=False)
        ]
        draw_curves(axes, curves)
        axes.set_title(arch_labels[arch])
    for axes, curves in drawn.items():
        annotate(axes, curves)
    figure.legend(handles=legend_handles(curves), loc="lower center", ncol=len(curves) + 2)
    style.save(figure, folder, "fig5", numbers(drawn))
