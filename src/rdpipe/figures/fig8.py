"""Figure 8: mutual information and marginal KL, the two terms of the rate, against β.

The rate is the sum of two terms: the mutual information between images and codes, and the KL
divergence from the aggregate posterior to the prior. Each panel shows both terms for one split and
one architecture on the training part: mean and standard deviation over seeds, in nats. No mutual
information can exceed the logarithm of the number of training images (dotted). Faint lines are the
paper's own estimate, from batches.
"""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rdpipe.figures import _over_beta, _style
from rdpipe.figures._experiment import Experiment

LIKELIHOODS_APART = True  # no distortions are shown
TERMS = {
    "mutual_information": (r"$I_q(\mathbf{x};\mathbf{z})$", _style.TRAIN),
    "marginal_kl": (r"$\mathrm{KL}(q(\mathbf{z})\,\|\,p(\mathbf{z}))$", _style.TEST),
}
METRICS = [f"{term}{estimate}" for estimate in ("", "_batch") for term in TERMS]


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each split (row) and architecture (column): mean and deviation in nats.

    The paper's own estimate, from batches, is faint beside the estimate by the full sum.
    """
    splits, archs = experiment.splits, experiment.archs
    legend = [_style.line(label, colour, **_style.DOT) for label, colour in TERMS.values()]
    legend.append(_style.line("from batches", "black", **_style.FAINT))
    legend.append(_style.line(r"$\log N_\mathrm{train}$", **_style.REFERENCE))
    figure, grid = _style.panels(
        len(splits), len(archs), legend=legend, xlabel=r"$\beta$", ylabel="nats", aspect=0.54
    )
    plotted = []
    for axes, (split, arch) in zip(grid.flat, itertools.product(splits, archs), strict=True):
        shown = experiment.points(split, arch, "train", METRICS)
        for term, (_, colour) in TERMS.items():
            faint = {"color": colour, **_style.FAINT, **_style.BARE}
            _over_beta.plot(axes, shown, f"{term}_batch", **faint)
            _over_beta.plot(axes, shown, term, color=colour)
        axes.axhline(np.log(split.n_train), **_style.REFERENCE)
        _over_beta.scale(axes, experiment.summary["beta"])
        _style.title(axes, f"{split.label}, {arch.label}")
        plotted.append(shown.assign(n_train=split.n_train))
    return _style.save(figure, folder, "fig8", pd.concat(plotted))
