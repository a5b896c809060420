"""The page of all figures: its look, its panels, images on it, and how it is saved."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox
from matplotlib.typing import ColorType, LineStyleType

from rdpipe.common.files import write_csv

# Inches.
WIDTH = 7.0  # of the page, both columns of a paper; many panels need more
SLOT = 1.75, 3.5  # least and largest width of a panel with its margins
LOWEST = 1.2  # height of a panel: more than the name of its y axis is long
LEFT = 0.53  # margin of a panel, for its y axis
RIGHT = 0.1  # margin, for half of the last tick's label
BELOW = 0.39  # margin, for its x axis
TITLE = 0.27  # margin, for its title
FOOT = 0.12  # above and below the legend at the foot of the page, in all

# Okabe and Ito, for all eyes; their yellow is left out, as it is too pale for a line
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
TRAIN, TEST, *_ = COLOURS
PARTS: dict[str, dict[str, Any]] = {  # the look of a part where both are shown
    "test": {"color": TEST},
    "train": {"color": TRAIN, "linestyle": "--"},
}
GREY = "0.55"
SMALL = 6.5  # points: annotations
TINY = 6.0  # points: labels of small images
DOTS: dict[str, Any] = {"marker": "o", "elinewidth": 0.7}  # a curve's means and their bars
DOT_SIZE = 2.8  # points
FAINT: dict[str, Any] = {"alpha": 0.4, "linewidth": 0.8}
BARE: dict[str, Any] = {"marker": "none", "elinewidth": 0.0}  # neither dots nor bars
REFERENCE: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 0.7}
DOT: dict[str, Any] = {"marker": "o", "markersize": 3}  # in a legend

_PAPER: dict[Any, Any] = {
    # fonts that come with matplotlib: the same page on every machine
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "axes.labelpad": 3,
    "axes.titlepad": 6,
    "lines.linewidth": 1.0,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "figure.dpi": 72,  # one display unit is one point, the unit in which labels are placed
    "savefig.dpi": 200,
}


@contextmanager
def _paper() -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # nothing of the user's matplotlibrc or style
        matplotlib.rcParams.update(_PAPER)
        yield


paper = _paper()
"""Decorates a function so that it draws in the style of a paper and leaves no trace of it."""


def save(figure: Figure, folder: Path, name: str, table: pd.DataFrame) -> Figure:
    """Write `name`.pdf, .png and .csv (the numbers shown), and return the figure.

    Equal input gives equal bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})
    write_csv(folder / f"{name}.csv", table)
    return figure


def mark_incomplete(axes: Axes, points: pd.DataFrame, x: pd.Series, y: pd.Series) -> None:
    """Write n, the number of runs, at each point that has a note, such as a run that diverged.

    Parameters
    ----------
    axes
        A panel.
    points
        The points of a curve (see `Experiment.points`).
    x, y
        Where they lie.
    """
    for i in points.index[points["note"] != ""]:
        axes.annotate(
            f"n={points['n'][i]}",
            (x[i], y[i]),
            xytext=(2, 2),
            textcoords="offset points",
            fontsize=TINY,
            color=GREY,
            annotation_clip=True,
        )


def place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place in inches from the figure's lower left corner."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def page_of(panel: Axes) -> tuple[Figure, Bbox]:
    """The page of a panel, and its box there in inches."""
    figure = panel.get_figure(root=True)
    assert figure is not None
    return figure, panel.bbox.transformed(figure.dpi_scale_trans.inverted())


def slot_width(columns: int) -> float:
    """Width in inches of each of `columns` panels side by side, with its margins."""
    return min(SLOT[1], max(SLOT[0], WIDTH / columns))


def panel_width(columns: int) -> float:
    """Width in inches of each of `columns` panels side by side, without its margins."""
    return slot_width(columns) - LEFT - RIGHT


def panels(
    rows: int,
    columns: int,
    *,
    legend: Sequence[Line2D],
    xlabel: str,
    ylabel: str,
    aspect: float = 0.62,
    above: float = 0.0,
    below: float = 0.0,
    share: Literal["row", "page", "none"] = "row",
) -> tuple[Figure, np.ndarray]:
    """A page of empty panels above a legend.

    Parameters
    ----------
    rows, columns
        Number of panels down and across the page.
    legend
        Handles of the legend at the foot of the page.
    xlabel, ylabel
        Names of every x axis, and of the y axes at the left.
    aspect
        Height of a panel as a share of its width.
    above, below
        Inches to leave between each panel and its title, and between each panel and its x axis.
    share
        The panels that have the same limits: those of a row, all, or none.

    Returns
    -------
    tuple of Figure and ndarray
        The page, and its panels (rows, columns).
    """
    slot, width = slot_width(columns), panel_width(columns)
    page = max(WIDTH, columns * slot)
    height = max(aspect * width, LOWEST)
    row = BELOW + below + height + above + TITLE
    figure = Figure(figsize=(page, rows * row))
    foot = _legend(figure, legend).get_window_extent().height / figure.dpi + FOOT
    figure.set_size_inches(page, rows * row + foot)
    grid = np.empty((rows, columns), dtype=object)
    for i, j in np.ndindex(rows, columns):
        left = (page - columns * slot) / 2 + j * slot + LEFT
        bottom = foot + (rows - 1 - i) * row + BELOW + below
        axes = grid[i, j] = place(figure, left, bottom, width, height)
        axes.set(xlabel=xlabel, ylabel=ylabel if j == 0 else "")
        like = {"row": grid[i, 0], "page": grid[0, 0], "none": axes}[share]
        if like is not axes:
            axes.sharex(like)
            axes.sharey(like)
    return figure, grid


def wrapped(n: int, **page: Any) -> tuple[Figure, np.ndarray]:
    """A page of n panels in rows of up to four; `page` has the other arguments of `panels`.

    Returns
    -------
    tuple of Figure and ndarray
        The page, and its panels (n,).
    """
    rows = -(-n // 4)
    figure, grid = panels(rows, -(-n // rows), **page)
    for axes in grid.flat[n:]:
        axes.remove()
    return figure, grid.flatten()[:n]


def strip_below(panel: Axes, height: float, ylabel: str) -> Axes:
    """Add axes of a height in inches between a panel and its x axis, which both share."""
    figure, box = page_of(panel)
    axes = place(figure, box.x0, box.y0 - height, box.width, height - 0.06)
    axes.sharex(panel)
    axes.set(xlabel=panel.get_xlabel(), ylabel=ylabel if panel.get_ylabel() else "")
    panel.set_xlabel("")
    panel.tick_params(labelbottom=False)
    return axes


def shrunk(axes: Axes) -> float:
    """The scale of dots in a panel, from 1 down to 0.65 in the narrowest."""
    return min(1.0, float(axes.bbox.width / 72 / panel_width(2)) ** 0.5)


def line(label: str, color: ColorType, linestyle: LineStyleType = "-", **look: Any) -> Line2D:
    """A line for a legend."""
    return Line2D([], [], color=color, linestyle=linestyle, label=label, **look)


def title(axes: Axes, text: str, above: float = 0.0) -> None:
    """Write a panel's title `above` inches higher than usual.

    A title that is wider than the panel reaches over the y axis, and shrinks to the room there.
    """
    written = axes.set_title(text, pad=6 + 72 * above)
    width, needed = (box.width / 72 for box in (axes.bbox, written.get_window_extent()))
    room = width + 0.9 * LEFT
    written.set_fontsize(matplotlib.rcParams["axes.titlesize"] * min(1, room / needed))
    if needed > width:
        written.set(x=1 - min(needed, room) / 2 / width)


def _legend(figure: Figure, handles: Sequence[Line2D]) -> Legend:
    """A legend at the foot of the page, in as few lines as its width allows."""
    place: dict[str, Any] = {"loc": "lower center", "borderpad": 0, "borderaxespad": 0.5}
    for lines in range(1, len(handles) + 1):
        columns = -(-len(handles) // lines)
        # legends are filled column by column, but read line by line
        padded = [*handles, *[line("", "none")] * (lines * columns - len(handles))]
        by_column = [padded[i] for j in range(columns) for i in range(j, len(padded), columns)]
        legend = figure.legend(handles=by_column, ncol=columns, **place)
        if legend.get_window_extent().width <= figure.bbox.width or columns == 1:
            break
        legend.remove()
    return legend


def show_image(axes: Axes, image: np.ndarray, left: float = 0.0, bottom: float = 0.0) -> None:
    """Show a uint8 image (H, W, C), grey or RGB, as a unit square of the axes' data."""
    extent = (left, left + 1, bottom, bottom + 1)
    axes.imshow(np.broadcast_to(image, (*image.shape[:2], 3)), extent=extent, interpolation="none")
