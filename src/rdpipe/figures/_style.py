"""What all figures share: the look of the page, images on it, and how a figure is saved."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdpipe.files import write_csv

# Inches.
WIDTH = 7.0  # of the page: both columns of a paper
LEFT = 0.47  # of a panel: its y axis
RIGHT = 0.06
BELOW = 0.39  # its x axis
TITLE = 0.27  # above it
FOOT = 0.08  # below the legend at the foot of the page
LEGEND_LINE = 0.17

# Okabe and Ito: for all eyes; without their yellow, which is too pale for a line
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
TRAIN, TEST, *_ = COLOURS
GREY = "0.55"
SMALL = 6.5  # points: annotations
TINY = 6.0  # points: what small images are
DOTS: dict[str, Any] = {
    "marker": "o",
    "markersize": 2.8,
    "elinewidth": 0.7,
}  # a curve's means and their bars

paper = matplotlib.rc_context(
    {
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
        "figure.dpi": 72,  # one display unit is one point, which placing labels counts in
        "savefig.dpi": 200,
    }
)
"""Decorates a `draw` so that it works in the style of a paper and leaves no trace of it."""


def save(figure: Figure, folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write `name`.pdf, .png and .csv (the numbers shown); equal input gives equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})
    write_csv(folder / f"{name}.csv", table)


def place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the figure's lower left corner."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def panel_width(columns: int) -> float:
    """Width in inches of each of so many panels side by side."""
    return WIDTH / columns - LEFT - RIGHT


def panels(
    rows: int, columns: int, *, aspect: float = 0.62, above: float = 0.0, legend_lines: int = 1
) -> tuple[Figure, np.ndarray]:
    """A page of empty panels that share their limits within a row.

    Parameters
    ----------
    rows, columns
        Number of panels down and across the page.
    aspect
        Height of a panel as a share of its width.
    above
        Inches to leave between each panel and its title, for more than a title.
    legend_lines
        Lines of the legend at the foot of the page.

    Returns
    -------
    tuple of Figure and ndarray
        The page, and its panels (rows, columns).
    """
    width = panel_width(columns)
    height = aspect * width
    row = BELOW + height + above + TITLE
    foot = FOOT + legend_lines * LEGEND_LINE
    figure = Figure(figsize=(WIDTH, rows * row + foot))
    grid = np.empty((rows, columns), dtype=object)
    for i, j in np.ndindex(rows, columns):
        left, bottom = j * WIDTH / columns + LEFT, foot + (rows - 1 - i) * row + BELOW
        axes = grid[i, j] = place(figure, left, bottom, width, height)
        if j > 0:
            axes.sharex(grid[i, 0])
            axes.sharey(grid[i, 0])
    return figure, grid


def show_image(axes: Axes, image: np.ndarray, left: float = 0.0, bottom: float = 0.0) -> None:
    """Show a uint8 image (H, W, C), grey or RGB, as a unit square of the axes' data."""
    extent = (left, left + 1, bottom, bottom + 1)
    axes.imshow(np.broadcast_to(image, (*image.shape[:2], 3)), extent=extent, interpolation="none")
