"""Metrics against β, on an axis that all figures draw alike."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import SymmetricalLogLocator

from rdpipe.figures import _style


def plot(axes: Axes, points: pd.DataFrame, metric: str, **look: Any) -> None:
    """One dot a β at the mean over seeds, bars for the standard deviation.

    Parameters
    ----------
    axes
        A panel.
    points
        Rows of a curve (see `_points.points`); where the metric has no value there is no dot.
    metric
        What of them is shown.
    look
        How, as `Axes.errorbar` takes it.
    """
    known = points.dropna(subset=f"{metric}_mean")
    # a single seed has no deviation, and then no bar
    mean, std = known[f"{metric}_mean"], known[f"{metric}_std"].fillna(0)
    dots = _style.DOTS | {"markersize": _style.DOT_SIZE * _style.shrunk(axes)}
    axes.errorbar(known["beta"], mean, std, **(dots | look))


def scale(axes: Axes, betas: Iterable[float]) -> None:
    """A logarithmic axis of β; where β = 0 is among them, it stands at the left of the others."""
    betas = list(betas)
    low, high = min((beta for beta in betas if beta > 0), default=1.0), max(betas)
    if min(betas) > 0:
        axes.set(xscale="log", xlim=(low / 1.6, high * 1.6))
    else:
        axes.set_xscale("symlog", linthresh=low)
        ticks = SymmetricalLogLocator(base=10, linthresh=low)
        # they do not thin themselves out: a label for every 30 points at most
        ticks.set_params(numticks=max(3, int(axes.bbox.width / 30)))
        axes.xaxis.set_major_locator(ticks)
        axes.set_xlim(-low / 3, max(high, low) * 1.6)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(r"$\beta$")
