"""Distortion and RD curves with one term of the rate removed from the objective (Section 4.5).

For each split and architecture, the upper panel shows distortion against β, and the lower panel the
RD curve, for the full objective and for objectives without one of the two terms of the rate. Dashed
curves are measured on the training part, full curves on the test part. Each point is the mean over
seeds, with bars of one standard deviation. The axis of the rate is logarithmic, because without one
of its terms the rate has no bound.
"""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from rdpipe.figures import _over_beta, _rd_curves, _style, _variants
from rdpipe.figures._experiment import Experiment

LOOKS = {
    "": ("full rate", _style.COLOURS[6]),
    "no marginal KL": ("no marginal KL", _style.COLOURS[0]),
    "no MI": ("no mutual information", _style.COLOURS[1]),
}


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw two panels for each split (rows) and architecture (column): D against β, RD curves.

    The rate is on a logarithmic axis: without one of its terms in the objective, it has no bound.
    Refuses an experiment without an architecture that lacks a term.
    """
    setting = "penalty mutual_information or marginal_kl"
    rows = _variants.panels(experiment, LOOKS, setting)
    panels = [panel for row in rows for panel in row]
    curves = [curve for panel in panels for curve in panel.curves]
    star, _ = _rd_curves.mark_handles()
    legend = [*_rd_curves.curve_handles(curves), star]
    figure, grid = _style.panels(2 * len(rows), len(rows[0]), legend=legend, **_rd_curves.LABELS)
    for axes, plane, panel in zip(grid[::2].flat, grid[1::2].flat, panels, strict=True):
        for curve in panel.curves:
            look = {"color": curve.colour, "linestyle": curve.linestyle}
            _over_beta.plot(axes, curve.points, "distortion", **look)
        _over_beta.scale(axes, experiment.summary["beta"])
        _style.title(axes, panel.title)
        _rd_curves.draw_curves(plane, panel.curves)
        plane.set_xscale("log")
        plane.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        plane.xaxis.set_major_formatter("{x:g}")
        plane.xaxis.set_minor_formatter(NullFormatter())
    return _style.save(figure, folder, "ablations", pd.concat([curve.points for curve in curves]))
