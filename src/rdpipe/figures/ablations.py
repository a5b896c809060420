"""Distortion and RD curves with one term of the rate removed from the objective (Section 4.5)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter

from rdpipe.common.files import read_parquet
from rdpipe.figures import _over_beta, _rd_plane, _style
from rdpipe.figures._labels import split_labels
from rdpipe.figures._variants import by_base, panels

LOOKS = {
    "": ("full rate", _style.COLOURS[6]),
    "no marginal KL": ("no marginal KL", _style.COLOURS[0]),
    "no MI": ("no mutual information", _style.COLOURS[1]),
}


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw D against β, below it the RD curves, one panel a split (rows) and architecture (column).

    The rate is on a logarithmic axis: without one of its terms in the objective, it has no bound.

    Parameters
    ----------
    folder
        Where ablations.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Rows from the top; columns from the left, variants with what they vary (see
        `rdpipe.figures`).

    Raises
    ------
    RdpipeError
        If no architecture lacks a term.
    """
    penalty = "penalty mutual_information or marginal_kl"
    bases = by_base(archs, [*LOOKS][1:], penalty)
    summary = read_parquet(inputs["summary"])
    labels = split_labels(summary, splits)
    each = [panel for row in panels(summary, labels, bases, LOOKS) for panel in row]
    curves = [curve for panel in each for curve in panel.curves]
    star, _ = _rd_plane.mark_handles()
    legend = [*_rd_plane.curve_handles(curves), star]
    figure, grid = _style.panels(2 * len(labels), len(bases), legend=legend, **_rd_plane.LABELS)
    for axes, plane, panel in zip(grid[::2].flat, grid[1::2].flat, each, strict=True):
        for one in panel.curves:
            look = {"color": one.colour, "linestyle": one.linestyle}
            _over_beta.plot(axes, one.points, "distortion", **look)
        _over_beta.scale(axes, summary["beta"])
        _style.title(axes, panel.title)
        _rd_plane.draw_curves(plane, panel.curves)
        plane.set_xscale("log")
        plane.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        plane.xaxis.set_major_formatter("{x:g}")
        plane.xaxis.set_minor_formatter(NullFormatter())
    _style.save(figure, folder, "ablations", pd.concat([curve.points for curve in curves]))
