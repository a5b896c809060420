"""Figure 5: test RD curves of several splits, by architecture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rdpipe.errors import RdpipeError
from rdpipe.figures import _style
from rdpipe.figures._labels import split_label
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

IN_A_LINE = 5  # of the legend


@_style.paper
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
        Where fig5.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Curves; panels from the left.
    arch_labels
        What the figure calls each architecture.

    Raises
    ------
    RdpipeError
        If there are more splits than colours that can be told apart.
    """
    if len(splits) > len(_style.COLOURS):
        raise RdpipeError(
            f"figures.fig5: its experiment has {len(splits)} splits, but only "
            f"{len(_style.COLOURS)} colours can be told apart; give it fewer splits."
        )
    summary = read_parquet(inputs["summary"])
    marks = mark_handles()
    lines = -(-(len(splits) + len(marks)) // IN_A_LINE)
    figure, grid = panels(1, len(archs), legend_lines=lines)
    drawn = {}
    for arch, axes in zip(archs, grid.flat, strict=True):
        curves = drawn[axes] = [
            Curve(points(summary, split, arch, "test"), split_label(summary, split), colour)
            for split, colour in zip(splits, _style.COLOURS, strict=False)
        ]
        draw_curves(axes, curves)
        axes.set_title(arch_labels[arch])
    for axes, curves in drawn.items():
        annotate(axes, curves)
    figure.legend(handles=curve_handles(curves) + marks, loc="lower center", ncol=IN_A_LINE)
    _style.save(figure, folder, "fig5", numbers(drawn))
