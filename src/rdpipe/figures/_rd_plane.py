"""RD curves on the plane of rate and distortion (Section 4.4)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType

from rdpipe.figures import _points, _style

AXES = ("rate", "distortion")  # the metrics of the plane
LABELS: dict[str, Any] = {"xlabel": "rate $R$ (nats)", "ylabel": "distortion $D$ (nats)"}
STAR: dict[str, Any] = {
    "marker": "*",
    "markersize": 7,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "markeredgewidth": 0.6,
    "linestyle": "none",
}
ELBO_ROOM = 5.0  # points: half the height of an iso-line's label and of its surroundings
BETA_ROOM = 4.0  # the same of a label of β


@dataclass(frozen=True)
class Curve:
    """An RD curve.

    Attributes
    ----------
    points
        What `points` returns; rate and distortion in nats.
    label
        Its name in a legend; of training curves of the colour of a test curve, that curve's.
    colour, linestyle, linewidth
        Its look.
    """

    points: pd.DataFrame
    label: str
    colour: ColorType
    linestyle: Literal["-", "--"] = "-"
    linewidth: float = 1.0


@dataclass(frozen=True)
class Panel:
    """An RD plane with its title and curves; the β of `betas_of`, one of these, are written."""

    title: str
    curves: Sequence[Curve]
    betas_of: Curve | None = None


def points(summary: pd.DataFrame, split: str, arch: str, part: str) -> pd.DataFrame:
    """The points of one curve by ascending β; a β none of whose runs finished is left out."""
    return _points.points(summary, split, arch, part, AXES)


def pair(
    summary: pd.DataFrame, split: str, arch: str, label: str, colour: ColorType
) -> list[Curve]:
    """A model's curves on training (thin and dashed) and on test, of one label and colour."""
    return [
        Curve(points(summary, split, arch, "train"), label, colour, "--", 0.7),
        Curve(points(summary, split, arch, "test"), label, colour),
    ]


def page(
    rows: Sequence[Sequence[Panel]], head: Sequence[Line2D] = (), above: float = 0.0
) -> tuple[Figure, dict[Axes, Panel]]:
    """Draw a page of panels that share their limits within a row.

    Parameters
    ----------
    rows
        The panels, as many in every row.
    head
        What the legend has before the curves.
    above
        Inches to leave between each panel and its title.

    Returns
    -------
    tuple of Figure and dict
        What `save` takes: the page, and the panel of each axes, row by row.
    """
    handles = [*head, *_handles(panel for row in rows for panel in row)]
    figure, grid = _style.panels(len(rows), len(rows[0]), legend=handles, above=above, **LABELS)
    return figure, _fill(grid, [panel for row in rows for panel in row], above)


def wrapped_page(
    panels: Sequence[Panel], share: Literal["page", "none"]
) -> tuple[Figure, dict[Axes, Panel]]:
    """Draw a page of panels in rows of up to four; returns what `save` takes.

    `share` says whether all panels have the same limits, or each its own.
    """
    figure, grid = _style.wrapped(len(panels), legend=_handles(panels), share=share, **LABELS)
    return figure, _fill(grid, panels)


def _handles(panels: Iterable[Panel]) -> list[Line2D]:
    return [*curve_handles(curve for one in panels for curve in one.curves), *mark_handles()]


def _fill(grid: np.ndarray, panels: Sequence[Panel], above: float = 0.0) -> dict[Axes, Panel]:
    drawn = dict(zip(grid.flat, panels, strict=True))
    for axes, panel in drawn.items():
        draw_curves(axes, panel.curves)
        _style.title(axes, panel.title, above)
    return drawn


def save(folder: Path, name: str, figure: Figure, drawn: Mapping[Axes, Panel]) -> None:
    """Annotate the panels, and save the page as name.pdf, .png and .csv, the points of all."""
    for axes, panel in drawn.items():
        annotate(axes, panel.curves, panel.betas_of)
    points = [curve.points for panel in drawn.values() for curve in panel.curves]
    _style.save(figure, folder, name, pd.concat(points))


def draw_curves(axes: Axes, curves: Iterable[Curve]) -> None:
    """One dot a β at the mean over seeds, bars for the standard deviation, a star at β = 1."""
    shrunk = _style.shrunk(axes)
    star = STAR | {"markersize": shrunk * STAR["markersize"]}
    for curve in curves:
        rate, distortion = curve.points["rate_mean"], curve.points["distortion_mean"]
        axes.errorbar(
            rate,
            distortion,
            # a single seed has no deviation, and then no bar
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
    axes.margins(0.08)


def annotate(axes: Axes, curves: Sequence[Curve], betas_of: Curve | None = None) -> None:
    """Draw ELBO iso-lines, label them, and label some β of one curve, all where there is room.

    Comes last, when the limits of all axes are settled.

    Parameters
    ----------
    axes
        A panel with all its curves.
    curves
        What is drawn there, which labels keep off.
    betas_of
        The curve whose β are written.
    """
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    outlines = [_outline(axes, curve.points) for curve in curves if len(curve.points)]
    taken = np.concatenate([np.empty((0, 2)), *outlines])
    if betas_of is not None:
        taken = _label_betas(axes, betas_of.points, taken)
    _draw_elbo(axes, taken)


def curve_handles(curves: Iterable[Curve]) -> list[Line2D]:
    """Each label once, for a legend.

    Where a label stands for a model on training and on test, dashes are explained by themselves.
    """
    curves = list(curves)
    shown = {curve.label: curve for curve in curves}  # the last of each: the test curve
    handles = [
        _style.line(one.label, one.colour, one.linestyle, **_style.DOT) for one in shown.values()
    ]
    if any(curve.linestyle != shown[curve.label].linestyle for curve in curves):
        handles += [
            _style.line("test", "black"),
            _style.line("training", "black", "--", linewidth=0.7),
        ]
    return handles


def mark_handles() -> list[Line2D]:
    """What every RD plane has beside its curves, for a legend: the star and the iso-lines."""
    return [
        Line2D([], [], label=r"$\beta = 1$", **STAR),
        _style.line(r"ELBO $= -D - R$ (nats)", _style.GREY, linewidth=0.5),
    ]


def _outline(axes: Axes, points: pd.DataFrame) -> np.ndarray:
    """Places (n, 2) in points that a curve takes: its line, its bars, and around its star."""
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
        Where its centre may lie, (n, 2), in points.
    taken
        Where it may not, (m, 2), in points; nor may it cross the frame.
    along
        Unit vector in which it is written.

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


def _label_betas(axes: Axes, points: pd.DataFrame, taken: np.ndarray) -> np.ndarray:
    """Write β at both ends of a curve and between them as room allows; return all that is taken."""
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
            f"\N{MINUS SIGN}{level:g}",
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
