"""Stacked bars against β: parts of a sum, one bar for each β."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch, Split

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


def page(
    folder: Path,
    experiment: Experiment,
    parts: Parts,
    total: tuple[str, str],
    points: Callable[[Experiment, Split, Arch], pd.DataFrame],
) -> Figure:
    """Draw, save and return a page: a panel for each split (row) and architecture (column).

    Parameters
    ----------
    folder
        Where the files go. They take the name of the module that has `points`.
    experiment
        The runs.
    parts
        The parts of the sum.
    total
        The column of the sum, and its label in the legend.
    points
        The rows of one panel (see `draw`).
    """
    splits, archs = experiment.splits, experiment.archs
    column, label = total
    handles: list[Any] = [Patch(label=words, **look) for words, look in parts.values()]
    figure, grid = _style.panels(
        len(splits),
        len(archs),
        legend=[*handles, _style.line(label, "black", "none", **_style.DOT)],
        xlabel=r"$\beta$",
        ylabel="nats",
        below=0.1,
    )
    of_panels = [(each, points(experiment, *each)) for each in itertools.product(splits, archs)]
    plotted = pd.concat([shown for _, shown in of_panels])
    betas = np.unique(plotted["beta"])  # panels share their x axis, and may lack some β
    for axes, ((split, arch), shown) in zip(grid.flat, of_panels, strict=True):
        draw(axes, shown, parts, betas, total=column)
        _style.title(axes, f"{split.label}, {arch.label}")
    name = points.__module__.rpartition(".")[2]
    return _style.save(figure, folder, name, plotted)


def draw(
    axes: Axes, points: pd.DataFrame, parts: Parts, betas: np.ndarray, total: str = ""
) -> None:
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
    betas
        All β of the page, ascending. One without a row has a place and no bar.
    total
        A column whose mean and standard deviation are drawn as a dot with bars.
    """
    at = np.searchsorted(betas, points["beta"])
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
    axes.set_xticks(np.arange(len(betas)), [f"{beta:g}" for beta in betas])
    axes.tick_params(axis="x", labelrotation=90 if len(betas) > 6 else 0)
