"""Metrics against β, on an axis that all figures share."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import SymmetricalLogLocator

from rdpipe.figures import _style


def plot(axes: Axes, points: pd.DataFrame, metric: str, **look: Any) -> None:
    """Draw one dot for each β at the mean over seeds, with bars for the standard deviation.

    Parameters
    ----------
    axes
        A panel.
    points
        The points of a curve (see `Experiment.points`); one without a value has no dot.
    metric
        The metric to show.
    look
        Further settings of `Axes.errorbar`.
    """
    known = points.dropna(subset=f"{metric}_mean")
    # a single seed has no deviation, so no bar
    mean, std = known[f"{metric}_mean"], known[f"{metric}_std"].fillna(0)
    dots = _style.DOTS | {"markersize": _style.DOT_SIZE * _style.shrunk(axes)}
    axes.errorbar(known["beta"], mean, std, **(dots | look))
    if (dots | look)["marker"] != "none":
        _style.mark_incomplete(axes, known, known["beta"], mean)


def scale(axes: Axes, betas: Iterable[float]) -> None:
    """Make the axis of β logarithmic; β = 0, if there is one, stands left of all others."""
    betas = list(betas)
    low, high = min((beta for beta in betas if beta > 0), default=1.0), max(betas)
    if min(betas) > 0:
        axes.set(xscale="log", xlim=(low / 1.6, high * 1.6))
    else:
        axes.set_xscale("symlog", linthresh=low)
        ticks = SymmetricalLogLocator(base=10, linthresh=low)
        # this locator does not thin its labels out: one for every 30 points at most
        ticks.set_params(numticks=max(3, int(axes.bbox.width / 30)))
        axes.xaxis.set_major_locator(ticks)
        axes.set_xlim(-low / 3, max(high, low) * 1.6)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(r"$\beta$")
