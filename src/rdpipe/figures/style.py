"""What all figures share: the look of the page, images on it, and how a figure is saved."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdpipe.files import write_csv

WIDTH = 7.0  # inches: both columns of a page
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito: for all eyes
TRAIN, TEST, *_ = COLORS
GREY = "0.55"
SMALL = 6.5  # points: annotations
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


def show_image(axes: Axes, image: np.ndarray, left: float = 0.0, bottom: float = 0.0) -> None:
    """Show a uint8 image (H, W, C), grey or RGB, as a unit square of the axes' data."""
    extent = (left, left + 1, bottom, bottom + 1)
    axes.imshow(np.broadcast_to(image, (*image.shape[:2], 3)), extent=extent, interpolation="none")


def thousands(n: int) -> str:
    """A sample size as the paper writes it: 81920 is 82k, 819 is 0.8k."""
    return f"{n / 1000:.1g}k" if n < 1000 else f"{n / 1000:.0f}k"
