"""RD curves: their points, their look on the plane of rate and distortion, and their legend."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType

from rdpipe.figures import _published, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch, Split

LABELS: dict[str, Any] = {"xlabel": "rate $R$ (nats)", "ylabel": "distortion $D$ (nats)"}
STAR: dict[str, Any] = {
    "marker": "*",
    "markersize": 7,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "markeredgewidth": 0.6,
    "linestyle": "none",
}


PUBLISHED: dict[str, Any] = {
    "marker": "D",
    "markersize": 3.5,
    "markerfacecolor": "none",
    "color": _style.GREY,
    "linestyle": "none",
}


@dataclass(frozen=True)
class Curve:
    """An RD curve.

    Attributes
    ----------
    points
        Rate and distortion in nats by ascending β (see `Experiment.points`), with the published
        points beside them if the figure shows any (see `_published.beside`).
    label
        Its name in a legend. A model's training curve has the label of its test curve.
    colour, linestyle, linewidth
        Its look.
    """

    points: pd.DataFrame
    label: str
    colour: ColorType
    linestyle: Literal["-", "--"] = "-"
    linewidth: float = 1.0


def curve(
    experiment: Experiment,
    split: Split,
    arch: Arch,
    part: str,
    label: str,
    colour: ColorType,
    **look: Any,
) -> Curve:
    """The curve of one split, architecture and part; `look` is its line's style and width."""
    points = experiment.points(split, arch, part, ("rate", "distortion"))
    if experiment.published is not None:
        points = _published.beside(points, experiment.published)
    return Curve(points, label, colour, **look)


def pair(
    experiment: Experiment, split: Split, arch: Arch, label: str, colour: ColorType
) -> list[Curve]:
    """A model's curves on training (thin and dashed) and on test, of one label and colour."""
    thin: dict[str, Any] = {"linestyle": "--", "linewidth": 0.7}
    return [
        curve(experiment, split, arch, "train", label, colour, **thin),
        curve(experiment, split, arch, "test", label, colour),
    ]


def draw_curves(axes: Axes, curves: Iterable[Curve]) -> None:
    """Draw one dot for each β, with bars for the deviation over seeds, and a star at β = 1.

    The dots of other β lie above the stars: a large β may have nearly the point of β = 1.
    """
    shrunk = _style.shrunk(axes)
    star = STAR | {"markersize": shrunk * STAR["markersize"]}
    for curve in curves:
        rate, distortion = curve.points["rate_mean"], curve.points["distortion_mean"]
        axes.errorbar(
            rate,
            distortion,
            # a single seed has no deviation, so no bar
            xerr=curve.points["rate_std"].fillna(0),
            yerr=curve.points["distortion_std"].fillna(0),
            color=curve.colour,
            linestyle=curve.linestyle,
            linewidth=curve.linewidth,
            markersize=_style.DOT_SIZE * shrunk,
            **_style.DOTS,
        )
        standard = np.isclose(curve.points["beta"], 1)
        axes.plot(rate[standard], distortion[standard], zorder=4, **star)
        axes.plot(
            rate[~standard],
            distortion[~standard],
            color=curve.colour,
            linestyle="none",
            marker="o",
            markersize=_style.DOT_SIZE * shrunk,
            zorder=5,
        )
        if "published_rate" in curve.points:
            axes.errorbar(
                curve.points["published_rate"],
                curve.points["published_distortion"],
                xerr=curve.points["published_rate_error"],
                yerr=curve.points["published_distortion_error"],
                elinewidth=0.7,
                zorder=1,
                **PUBLISHED,
            )
        _style.mark_incomplete(axes, curve.points, rate, distortion)
    axes.margins(0.08)


def curve_handles(curves: Iterable[Curve]) -> list[Line2D]:
    """Handles of a legend, one for each label.

    Where a label stands for both curves of a model, further handles explain solid and dashed.
    Another handle explains published points, if there are any.
    """
    curves = list(curves)
    shown = {curve.label: curve for curve in curves}  # the last of each: the test curve
    handles = [
        _style.line(one.label, one.colour, one.linestyle, **_style.DOT) for one in shown.values()
    ]
    if any("published_rate" in curve.points for curve in curves):
        handles.append(Line2D([], [], label="published", **PUBLISHED))
    if any(curve.linestyle != shown[curve.label].linestyle for curve in curves):
        handles += [
            _style.line("test", "black"),
            _style.line("training", "black", "--", linewidth=0.7),
        ]
    return handles


def mark_handles() -> list[Line2D]:
    """Handles of a legend for the marks of every RD plane: the star and the iso-lines."""
    return [
        Line2D([], [], label=r"$\beta = 1$", **STAR),
        _style.line(r"ELBO $= -D - R$ (nats)", _style.GREY, linewidth=0.5),
    ]
