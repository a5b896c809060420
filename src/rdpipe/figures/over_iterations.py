"""Distortion over the length of training, by β.

Each panel shows one split and one architecture, with a curve for each β: distortion in nats after a
number of training iterations, mean and standard deviation over seeds. Full curves are measured on
the test part, dashed curves on the training part. A full curve that rises again shows overfitting.
"""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _style
from rdpipe.figures._experiment import Experiment

METRICS = ("distortion", "rate")
THIN: dict[str, Any] = {"linestyle": "--", "linewidth": 0.7}


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each split (row) and architecture (column): D in nats, mean and deviation.

    The test part is drawn full, the training part dashed. Refuses runs without checkpoints.
    """
    lengths = sorted(experiment.checkpoints)
    if len(lengths) < 2:
        raise RdpipeError(
            "its experiment's runs have no checkpoints; give training.checkpoints iterations."
        )
    betas = sorted(set(experiment.summary["beta"]))
    shades = colormaps["viridis"](np.linspace(0, 0.9, len(betas)))
    colours = dict(zip(betas, map(to_hex, shades), strict=True))
    legend = [
        _style.line(rf"$\beta = {beta:g}$", colour, **_style.DOT)
        for beta, colour in colours.items()
    ]
    legend += [_style.line("test", "black"), _style.line("training", "black", **THIN)]
    splits, archs = experiment.splits, experiment.archs
    figure, grid = _style.panels(
        len(splits), len(archs), legend=legend, xlabel="iterations", ylabel="distortion $D$ (nats)"
    )
    plotted = []
    for axes, (split, arch) in zip(grid.flat, itertools.product(splits, archs), strict=True):
        for part in ("train", "test"):
            tables = [experiment.checkpoints[n].points(split, arch, part, METRICS) for n in lengths]
            shown = pd.concat(
                [table.assign(iteration=n) for n, table in zip(lengths, tables, strict=True)]
            )
            for beta, points in shown.groupby("beta"):
                _plot(axes, points, colours[beta], THIN if part == "train" else {})
            plotted.append(shown)
        axes.set_xscale("log")
        axes.set_xticks(lengths, [f"{n / 1000:g}k" if n >= 1000 else str(n) for n in lengths])
        axes.minorticks_off()
        _style.title(axes, f"{split.label}, {arch.label}")
    return _style.save(figure, folder, "over_iterations", pd.concat(plotted))


def _plot(axes: Axes, points: pd.DataFrame, colour: str, look: dict[str, Any]) -> None:
    """The curve of one β, with bars for the deviation over seeds."""
    axes.errorbar(
        points["iteration"], points["distortion_mean"], points["distortion_std"].fillna(0),
        color=colour, markersize=_style.DOT_SIZE * _style.shrunk(axes), **_style.DOTS, **look,
    )  # fmt: skip
