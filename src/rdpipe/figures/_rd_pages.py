"""Pages of RD planes: panels with their titles and curves, and the legend below them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rdpipe.figures import _style
from rdpipe.figures._rd_annotations import annotate
from rdpipe.figures._rd_curves import LABELS, Curve, curve_handles, draw_curves, mark_handles


@dataclass(frozen=True)
class Panel:
    """An RD plane: its title, its curves, and the one of them whose β are written."""

    title: str
    curves: Sequence[Curve]
    betas_of: Curve | None = None


def page(
    rows: Sequence[Sequence[Panel]], head: Sequence[Line2D] = (), above: float = 0.0
) -> tuple[Figure, dict[Axes, Panel]]:
    """Draw a page of panels that share their limits within a row.

    Parameters
    ----------
    rows
        The panels, as many in every row.
    head
        Handles of the legend before those of the curves.
    above
        Inches to leave between each panel and its title.

    Returns
    -------
    tuple of Figure and dict
        The page, and the panel of each axes, row by row; `save` takes both.
    """
    handles = [*head, *_handles(panel for row in rows for panel in row)]
    figure, grid = _style.panels(len(rows), len(rows[0]), legend=handles, above=above, **LABELS)
    return figure, _fill(grid, [panel for row in rows for panel in row], above)


def wrapped_page(
    panels: Sequence[Panel], share: Literal["page", "none"]
) -> tuple[Figure, dict[Axes, Panel]]:
    """Draw a page of panels in rows of up to four, as `page` does.

    All panels share their limits, or none does.
    """
    figure, grid = _style.wrapped(len(panels), legend=_handles(panels), share=share, **LABELS)
    return figure, _fill(grid, panels)


def _handles(panels: Iterable[Panel]) -> list[Line2D]:
    curves = [curve for one in panels for curve in one.curves]
    return [*curve_handles(curves), *mark_handles()]


def _fill(grid: np.ndarray, panels: Sequence[Panel], above: float = 0.0) -> dict[Axes, Panel]:
    drawn = dict(zip(grid.flat, panels, strict=True))
    for axes, panel in drawn.items():
        draw_curves(axes, panel.curves)
        _style.title(axes, panel.title, above)
    return drawn


def save(folder: Path, name: str, figure: Figure, drawn: Mapping[Axes, Panel]) -> Figure:
    """Annotate the panels, and save the page as name.pdf, .png and .csv, the points of all.

    Returns the page.
    """
    for axes, panel in drawn.items():
        annotate(axes, panel.curves, panel.betas_of)
    points = [curve.points for panel in drawn.values() for curve in panel.curves]
    return _style.save(figure, folder, name, pd.concat(points))
