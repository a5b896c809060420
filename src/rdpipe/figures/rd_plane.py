"""RD curves on the plane of rate and distortion (Section 4.4)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType

from rdpipe.figures import style

KINDS = {"cv": "CV", "cd": "CD", "checkerboard": "Checkerboard"}
COLUMNS = ["split", "arch", "part", "beta", "n"] + [
    f"{metric}_{moment}" for metric in ("rate", "distortion") for moment in ("mean", "std")
]
STAR: dict[str, Any] = {
    "marker": "*",
    "markersize": 9,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "markeredgewidth": 0.6,
    "linestyle": "none",
}


@dataclass(frozen=True)
class Curve:
    """An RD curve: its points by ascending β (rows of `rd_summary` as `COLUMNS`) and its look."""

    points: pd.DataFrame
    label: str
    color: ColorType
    linestyle: Literal["-", "--"] = "-"


def points(summary: pd.DataFrame, split: str, arch: str, part: str) -> pd.DataFrame:
    """The points of one curve by ascending β; a β none of whose runs finished is left out."""
    chosen = summary[
        (summary["split"] == split) & (summary["arch"] == arch) & (summary["part"] == part)
    ]
    return chosen.dropna(subset=["rate_mean", "distortion_mean"]).sort_values("beta")[COLUMNS]


def split_label(summary: pd.DataFrame, split: str) -> str:
    """A split as the paper names it, from its kind and sizes: CV(16k/147k)."""
    row = summary[summary["split"] == split].iloc[0]
    sizes = f"{style.thousands(row['n_train'])}/{style.thousands(row['n_test'])}"
    return f"{KINDS[row['split_kind']]}({sizes})"


def panels(rows: int, columns: int, above: float = 0.0) -> tuple[Figure, np.ndarray]:
    """A page of empty RD planes (rows, columns) that share their limits within a row.

    `above` leaves that many inches above each panel, for more than a title.
    """
    cell = style.WIDTH / columns
    width = cell - 0.53
    height = 0.62 * width
    row = height + above + 0.66
    figure = Figure(figsize=(style.WIDTH, rows * row + 0.25))
    grid = np.empty((rows, columns), dtype=object)
    for i, j in np.ndindex(rows, columns):
        place = (j * cell + 0.47, (rows - 1 - i) * row + 0.64, width, height)
        axes = grid[i, j] = style.place(figure, *place)
        if j > 0:
            axes.sharex(grid[i, 0])
            axes.sharey(grid[i, 0])
        axes.set(xlabel="rate $R$ (nats)", ylabel="distortion $D$ (nats)" if j == 0 else "")
    return figure, grid


def draw_curves(axes: Axes, curves: Iterable[Curve]) -> None:
    """One dot a β at the mean over seeds, bars for the standard deviation, a star at β = 1."""
    for curve in curves:
        rate, distortion = curve.points["rate_mean"], curve.points["distortion_mean"]
        axes.errorbar(
            rate,
            distortion,
            # a single seed has no deviation, and then no bar
            xerr=curve.points["rate_std"].fillna(0),
            yerr=curve.points["distortion_std"].fillna(0),
            color=curve.color,
            linestyle=curve.linestyle,
            **style.DOTS,
        )
        standard = np.isclose(curve.points["beta"], 1)
        axes.plot(rate[standard], distortion[standard], zorder=4, **STAR)
    axes.margins(0.08)


def annotate(axes: Axes, curves: Sequence[Curve], betas_of: Curve | None = None) -> None:
    """Draw ELBO iso-lines, label them, and label some β of one curve, all where there is room.

    Comes last, when the place of the axes and their limits are settled.
    """
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    outlines = [_outline(axes, curve.points) for curve in curves if len(curve.points)]
    taken = np.concatenate([np.empty((0, 2)), *outlines])
    if betas_of is not None:
        taken = _label_betas(axes, betas_of.points, taken)
    _draw_elbo(axes, taken)


def numbers(drawn: Mapping[Axes, Sequence[Curve]]) -> pd.DataFrame:
    """The points of all curves of a figure, as its CSV has them."""
    return pd.concat([curve.points for curves in drawn.values() for curve in curves])


def legend_handles(curves: Iterable[Curve]) -> list[Line2D]:
    """What the marks mean, for a legend: the curves, the star, the iso-lines."""
    return [
        *(
            Line2D(
                [],
                [],
                marker="o",
                markersize=3,
                color=curve.color,
                linestyle=curve.linestyle,
                label=curve.label,
            )
            for curve in curves
        ),
        Line2D([], [], label=r"$\beta = 1$", **STAR),
        Line2D([], [], color=style.GREY, linewidth=0.5, label=r"ELBO $= -D - R$ (nats)"),
    ]


def _outline(axes: Axes, points: pd.DataFrame) -> np.ndarray:
    """Places (n, 2) along a curve, in display units (points), close enough to keep labels off."""
    corners = axes.transData.transform(points[["rate_mean", "distortion_mean"]].to_numpy())
    at = np.linspace(0, len(corners) - 1, 25 * len(corners))
    return np.stack([np.interp(at, np.arange(len(corners)), c) for c in corners.T], axis=1)


def _roomiest(axes: Axes, places: np.ndarray, taken: np.ndarray) -> tuple[np.ndarray, float]:
    """The place, of (n, 2), that is farthest from all that is taken and from the frame; how far.

    Labels are about twice as wide as high: distances across count half.
    """
    squeeze = np.array([0.5, 1.0])
    others = np.linalg.norm((places[:, None] - taken) * squeeze, axis=2).min(axis=1, initial=np.inf)
    inwards = np.concatenate([places - axes.bbox.min, axes.bbox.max - places], axis=1)
    room = np.minimum(others, (inwards * np.tile(squeeze, 2)).min(axis=1))
    return places[room.argmax()], float(room.max())


def _label_betas(axes: Axes, points: pd.DataFrame, taken: np.ndarray) -> np.ndarray:
    """Write β at both ends of a curve and between them as room allows; return all that is taken."""
    at = axes.transData.transform(points[["rate_mean", "distortion_mean"]].to_numpy())
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labelled = np.full((1, 2), np.inf)
    ends = (0, len(at) - 1)
    for i in sorted(range(len(at)), key=lambda i: i not in ends):
        beta = points["beta"].iloc[i]
        text, half = (rf"$\beta = {beta:g}$", 15) if i in ends else (f"{beta:g}", 6)
        place, room = _roomiest(axes, at[i] + circle * (half + 3, 8), taken)
        crowded = room < 4 or np.linalg.norm(labelled - at[i], axis=1).min() < 30
        if crowded or np.isclose(beta, 1):  # the star tells β = 1
            continue
        axes.annotate(
            text,
            (points["rate_mean"].iloc[i], points["distortion_mean"].iloc[i]),
            place - at[i],
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=style.SMALL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
            zorder=0.7,
        )
        labelled = np.vstack([labelled, at[i]])
        taken = np.vstack([taken, place + np.linspace((-half, 0), (half, 0), 5)])
    return taken


def _draw_elbo(axes: Axes, taken: np.ndarray) -> None:
    """Iso-lines of the ELBO at β = 1, each with its value in nats."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for level in MaxNLocator(7).tick_values(left + low, right + high)[1:-1]:
        rate = np.linspace(max(left, level - high), min(right, level - low), 40)
        line = np.stack([rate, level - rate], axis=1)
        axes.plot(*line.T, color=style.GREY, linewidth=0.4, zorder=0.5)
        place, room = _roomiest(axes, axes.transData.transform(line), taken)
        if room < 5:
            continue
        rate_there, distortion_there = axes.transData.inverted().transform(place)
        axes.text(
            rate_there,
            distortion_there,
            f"\N{MINUS SIGN}{level:g}",
            rotation=-45,
            rotation_mode="anchor",
            transform_rotates_text=True,
            ha="center",
            va="center",
            fontsize=style.SMALL,
            color="0.4",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            zorder=0.6,
        )
        taken = np.vstack([taken, place])
