"""The rate and its two terms, mutual information and marginal KL, by prior or latent dimension.

Each row shows one split and one family of architectures, which differ only in the setting named in
the legend. The columns are the rate and its two terms on the training part: mean and standard
deviation over seeds, in nats. No mutual information can exceed the logarithm of the number of
training images (dotted). The axis is logarithmic from 1 nat on.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdpipe.figures import _over_beta, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Split
from rdpipe.figures._settings import Family, families

LIKELIHOODS_APART = True
TERMS = {
    "rate": r"$R$, train",
    "mutual_information": r"$I_q(\mathbf{x};\mathbf{z})$",
    "marginal_kl": r"$\mathrm{KL}(q(\mathbf{z})\,\|\,p(\mathbf{z}))$",
}


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one row for each split, kind, depth and likelihood, and one column for each term.

    All terms are those of the training part, in nats: mean and deviation over seeds. The axis is
    logarithmic from 1 nat on, since at small β the terms differ by orders of magnitude.
    """
    rows = [(split, one) for split in experiment.splits for one in families(experiment.archs)]
    looks = {label: colour for _, one in rows for _, label, colour in one.members}
    legend = [_style.line(label, colour, **_style.DOT) for label, colour in looks.items()]
    legend.append(_style.line(r"$\log N_\mathrm{train}$", **_style.REFERENCE))
    figure, grid = _style.panels(
        len(rows), len(TERMS), legend=legend, xlabel=r"$\beta$", ylabel="nats", aspect=0.5
    )
    plotted = []
    for line, (split, family) in zip(grid, rows, strict=True):
        plotted += _row(line, experiment, split, family)
        _style.title(line[0], f"{split.label}, {family.title}: {TERMS['rate']}")
    return _style.save(figure, folder, "rate_by_setting", pd.concat(plotted))


def _row(
    line: np.ndarray, experiment: Experiment, split: Split, family: Family
) -> list[pd.DataFrame]:
    """Draw the panels of one row; the points that they show."""
    plotted = []
    for arch, _, colour in family.members:
        shown = experiment.points(split, arch, "train", list(TERMS))
        for axes, term in zip(line, TERMS, strict=True):
            _over_beta.plot(axes, shown, term, color=colour)
        plotted.append(shown)
    for axes, (term, name) in zip(line, TERMS.items(), strict=True):
        _scale(axes, experiment)
        _style.title(axes, name)
        if term == "mutual_information":
            axes.axhline(np.log(split.n_train), **_style.REFERENCE)
    return plotted


def _scale(axes: Axes, experiment: Experiment) -> None:
    _over_beta.scale(axes, experiment.summary["beta"])
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(bottom=-0.5)  # estimates of a term that is 0 may be negative
    axes.yaxis.set_major_formatter("{x:g}")
