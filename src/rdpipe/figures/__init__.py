"""Figures of the paper, one module each.

The module of a figure has a function `draw`. It writes the figure as PDF and PNG, and the numbers
that it shows as CSV, and returns the figure. In reports, the first line of the module's docstring
is the title of the figure, and the rest its caption.

| a figure of | is drawn by |
|---|---|
| an experiment | `draw(folder, experiment)`, with an `Experiment` |
| a dataset | `draw(folder, *, inputs)` |
| rules of splits | `draw(folder, *, inputs, splits)` |
| claims | `draw(folder, *, inputs, claims)` |

A figure of an experiment refuses several likelihoods, unless its module has `LIKELIHOODS_APART`: it
then never shows their distortions on one axis.

The module `_matplotlib` comes first: it imports matplotlib where a plain import would fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _matplotlib, _style  # noqa: F401
from rdpipe.figures._experiment import Experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@_style.paper
def draw(
    module: str, folder: Path, inputs: Mapping[str, Path], settings: Mapping[str, Any]
) -> Figure:
    """Draw a figure in the style of a paper, whatever the user's settings of matplotlib are.

    Parameters
    ----------
    module
        The figure's module, such as "rdpipe.figures.fig3".
    folder
        The PDF, the PNG and the CSV go here, named by the module: fig3.pdf.
    inputs
        Files by name; of an experiment, the paths that `Experiment.load` takes.
    settings
        The facts that the plan passes to the figure; of an experiment, its `splits` and `archs`.

    Returns
    -------
    Figure
        The page as matplotlib has it.

    Raises
    ------
    RdpipeError
        If the experiment lacks the runs that the figure compares, or the figure would show
        distortions of different likelihoods on one axis.
    """
    figure = import_module(module)
    if "archs" in settings:
        likelihoods = {arch["likelihood"] for arch in settings["archs"]}
        if len(likelihoods) > 1 and not getattr(figure, "LIKELIHOODS_APART", False):
            raise RdpipeError(
                f"its experiment has the likelihoods {', '.join(sorted(likelihoods))}, whose "
                "distortions cannot share an axis; draw it by_setting, or give it one likelihood."
            )
        labelled = {name: settings[name] for name in ("splits", "archs")}
        drawn: Figure = figure.draw(folder, Experiment.load(inputs, **labelled))
    else:
        drawn = figure.draw(folder, inputs=inputs, **settings)
    return drawn
