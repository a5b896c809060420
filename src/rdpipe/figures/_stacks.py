"""Stacked bars against β: parts of a sum, one bar for each β."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _style
from rdpipe.figures._experiment import Experiment

Parts = Mapping[str, tuple[str, dict[str, Any]]]
"""The parts of a sum by their columns: label in the legend, and look of the bars."""


def refuse_without(experiment: Experiment, metrics: Sequence[str], measures: Sequence[str]) -> None:
    """Refuse an experiment without the columns of some diagnostics.

    Raises
    ------
    RdpipeError
        With the setting that adds them.
    """
    if not {f"{metric}_mean" for metric in metrics} <= {*experiment.summary}:
        raise RdpipeError(
            "its experiment lacks measures that the figure shows; give the experiment "
            f"`diagnostics: [{', '.join(measures)}]`."
        )


def legend(parts: Parts) -> list[Any]:
    """Handles of the parts."""
    return [Patch(label=label, **look) for label, look in parts.values()]


def draw(axes: Axes, points: pd.DataFrame, parts: Parts, total: str = "") -> None:
    """Draw a bar for each β, with `<part>_mean` of each part on top of those before it.

    Parts above 0 are stacked upwards, those below 0 downwards. All β stand equally far apart.

    Parameters
    ----------
    axes
        A panel.
    points
        A row for each β, ascending.
    parts
        The parts, from the axis on.
    total
        A column whose mean and standard deviation are drawn as a dot with bars.
    """
    at = np.arange(len(points))
    up, down = np.zeros(len(points)), np.zeros(len(points))
    for part, (_, look) in parts.items():
        height = points[f"{part}_mean"].fillna(0).to_numpy()
        axes.bar(at, height, 0.7, np.where(height > 0, up, down), **look)
        up, down = up + height.clip(min=0), down + height.clip(max=0)
    if total:
        mean, std = points[f"{total}_mean"], points[f"{total}_std"].fillna(0)
        axes.errorbar(
            at, mean, std, color="black", linestyle="none", **_style.DOTS | {"markersize": 2.4}
        )
        if "note" in points:
            _style.mark_incomplete(axes, points, pd.Series(at, points.index), mean)
    axes.axhline(0, color="black", linewidth=0.5)
    axes.set_xticks(at, [f"{beta:g}" for beta in points["beta"]])
    axes.tick_params(axis="x", labelrotation=90 if len(points) > 6 else 0)
