"""The rate divided into mutual information, marginal KL, and what a fitted mixture would save.

Each panel shows one split and one architecture, each bar one β. All terms are means over seeds on
the training part, in nats. The mutual information and the marginal KL add up to the rate R, the
dot. The hatched part of the marginal KL would go if the prior were a mixture of Gaussians that is
fitted to the codes after training. It shows how much of R is mismatch with the prior.
"""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from rdpipe.figures import _stacks, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch, Split

LIKELIHOODS_APART = True  # no distortions are shown
PARTS: _stacks.Parts = {
    "mutual_information": (r"$I_q(\mathbf{x};\mathbf{z})$", {"color": _style.TRAIN}),
    "kept": ("marginal KL that a mixture keeps", {"color": _style.TEST}),
    "mixture_saving": (
        "marginal KL that it saves",
        {"facecolor": "white", "edgecolor": _style.TEST, "hatch": "////", "linewidth": 0.6},
    ),
}
METRICS = ["mutual_information", "marginal_kl", "mixture_saving", "rate"]


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each split (row) and architecture (column): a stacked bar for each β.

    All terms are those of the training part, in nats, as means over seeds. The first two add up to
    R; the dot is R. The marginal KL is that under the run's own prior. Its hatched part would go if
    the prior were the mixture of Gaussians that was fitted to the codes after training.
    """
    _stacks.refuse_without(experiment, ["mixture_saving"], ["fitted_prior"])
    return _stacks.page(folder, experiment, PARTS, ("rate", "$R$"), points)


def points(experiment: Experiment, split: Split, arch: Arch) -> pd.DataFrame:
    """The terms of each β, ascending; `kept` is the marginal KL less the saving."""
    shown = experiment.points(split, arch, "train", METRICS)
    return shown.assign(kept_mean=shown["marginal_kl_mean"] - shown["mixture_saving_mean"])
