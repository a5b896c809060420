"""Annotations of RD planes: iso-lines of the ELBO, and some β of a curve (Section 4.4)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rdpipe.figures import _style
from rdpipe.figures._rd_curves import STAR, Curve

ELBO_ROOM = 5.0  # points: half the height of an iso-line's label and of its surroundings
BETA_ROOM = 4.0  # the same of a label of β


def annotate(axes: Axes, curves: Sequence[Curve], betas_of: Curve | None = None) -> None:
    """Draw iso-lines of the ELBO, and label them and some β of one curve where there is room.

    Call it last, when the limits of all axes are settled.

    Parameters
    ----------
    axes
        A panel with all its curves.
    curves
        The curves that are drawn there; labels keep off them.
    betas_of
        The curve whose β are written.
    """
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    outlines = [_outline(axes, curve.points) for curve in curves if len(curve.points)]
    taken = np.concatenate([np.empty((0, 2)), *outlines])
    if betas_of is not None:
        taken = _label_betas(axes, betas_of.points, taken)
    _draw_elbo(axes, taken)


def _label_betas(axes: Axes, points: pd.DataFrame, taken: np.ndarray) -> np.ndarray:
    """Write β at the ends of a curve, and between where there is room; return what is taken."""
    at = axes.transData.transform(points[["rate_mean", "distortion_mean"]].to_numpy())
    labelled = np.full((1, 2), np.inf)
    ends = (0, len(at) - 1)
    for i in sorted(range(len(at)), key=lambda i: i not in ends):
        beta = points["beta"].iloc[i]
        text = rf"$\beta = {beta:g}$" if i in ends else f"{beta:g}"
        half = 1.6 * len(text.replace(r"$", "").replace(r"\beta", "β"))  # points, about
        place, room = _roomiest(axes, at[i] + _circle(24) * (half + 4, 8), taken)
        crowded = room < BETA_ROOM or np.linalg.norm(labelled - at[i], axis=1).min() < 30
        if crowded or np.isclose(beta, 1):  # the star tells β = 1
            continue
        axes.annotate(
            text,
            (points["rate_mean"].iloc[i], points["distortion_mean"].iloc[i]),
            place - at[i],
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_style.SMALL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
            zorder=0.7,
        )
        labelled = np.vstack([labelled, at[i]])
        taken = np.vstack([taken, place + np.linspace((-half, 0), (half, 0), 5)])
    return taken


def _draw_elbo(axes: Axes, taken: np.ndarray) -> None:
    """Iso-lines of the ELBO at β = 1, each with its value in nats."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    locator = MaxNLocator(9, steps=[1, 2, 2.5, 5, 10])
    levels = np.asarray(locator.tick_values(left + low, right + high))
    for level in levels[(levels > left + low) & (levels < right + high)]:
        rate = np.linspace(max(left, level - high), min(right, level - low), 40)
        line = np.stack([rate, level - rate], axis=1)
        axes.plot(*line.T, color=_style.GREY, linewidth=0.4, zorder=0.5)
        on_page = axes.transData.transform(line)
        along = (on_page[-1] - on_page[0]) / np.linalg.norm(on_page[-1] - on_page[0])
        place, room = _roomiest(axes, on_page, taken, along)
        if room < ELBO_ROOM:
            continue
        rate_there, distortion_there = axes.transData.inverted().transform(place)
        axes.text(
            rate_there,
            distortion_there,
            f"{0 - level:g}".replace("-", "\N{MINUS SIGN}"),  # the ELBO is −(R + D)
            rotation=-45,
            rotation_mode="anchor",
            transform_rotates_text=True,
            ha="center",
            va="center",
            fontsize=_style.SMALL,
            color="0.35",
            # wide enough that the line does not run into the sign
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2.5},
            zorder=0.6,
        )
        taken = np.vstack([taken, place + np.linspace(-6, 6, 3)[:, None] * along])


def _outline(axes: Axes, points: pd.DataFrame) -> np.ndarray:
    """Places (n, 2) that a curve takes, in points: its line, its bars, and around its star."""
    mean = points[["rate_mean", "distortion_mean"]].to_numpy()  # (B, 2), B values of β
    std = points[["rate_std", "distortion_std"]].fillna(0).to_numpy()
    at = np.linspace(0, len(mean) - 1, 25 * len(mean))  # close enough to keep labels off
    line = np.stack([np.interp(at, np.arange(len(mean)), one) for one in mean.T], axis=1)
    shares = np.linspace(-1, 1, 9)[:, None, None]
    bars = [mean + shares * std * axis for axis in np.eye(2)]  # (9, B, 2) each
    star = axes.transData.transform(mean[np.isclose(points["beta"], 1)])
    around = (star[:, None] + STAR["markersize"] / 2 * _circle(12)).reshape(-1, 2)
    drawn = np.concatenate([line, *(bar.reshape(-1, 2) for bar in bars)])
    return np.concatenate([axes.transData.transform(drawn), around])


def _circle(n: int) -> np.ndarray:
    """Points (n, 2) of the unit circle."""
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _roomiest(
    axes: Axes, places: np.ndarray, taken: np.ndarray, along: Sequence[float] = (1.0, 0.0)
) -> tuple[np.ndarray, float]:
    """The place with most room for a label that is twice as wide as high.

    Parameters
    ----------
    places
        Possible places (n, 2) of the label's centre, in points.
    taken
        Places (m, 2) that the label must not touch, in points; it must not touch the frame either.
    along
        Unit vector of the direction of writing.

    Returns
    -------
    tuple of ndarray and float
        The place (2,), and half the height in points of the largest label that fits there.
    """
    x, y = along
    apart = places[:, None] - taken  # (n, m, 2)
    others = np.hypot(apart @ (x / 2, y / 2), apart @ (-y, x)).min(axis=1, initial=np.inf)
    inwards = np.minimum(places - axes.bbox.min, axes.bbox.max - places)  # (n, 2)
    reach = 2 * np.abs([x, y]) + np.abs([y, x])  # of a label with half the height 1
    room = np.minimum(others, (inwards / reach).min(axis=1))
    return places[room.argmax()], float(room.max())
