"""The gap between test and training distortion, divided into inference and decoder, against β.

Each panel shows one split and one architecture, each bar one β. The dot is the mean of test D minus
training D over seeds, in nats, each above the entropy of its own images; its bar is one standard
deviation. The gap is divided in two. The part of inference is what posteriors that are fitted to
each image alone take off D, on the test part more than on the training part: the encoder's loss on
new images. The rest is the decoder's: D that no posterior takes away.
"""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from rdpipe.figures import _stacks, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch, Split

PARTS: _stacks.Parts = {
    "decoder": ("decoder", {"color": _style.COLOURS[0]}),
    "inference": ("inference", {"color": _style.COLOURS[4]}),
}
INFERENCE = "inference_gap_distortion"


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each split (row) and architecture (column): a stacked bar for each β.

    The gap is D on test minus D on train, each above its images' entropy. What fitted posteriors
    take off D, on test more than on train, is the part of inference; the rest is the decoder's. The
    dot is the whole gap, with its deviation over seeds. `inference_se` in the CSV is the standard
    error of a run's part of inference over the images whose posteriors were fitted.
    """
    _stacks.refuse_without(experiment, [INFERENCE], ["inference_gap"])
    return _stacks.page(folder, experiment, PARTS, ("gap", "test − train"), points)


def points(experiment: Experiment, split: Split, arch: Arch) -> pd.DataFrame:
    """The gap and its parts at each β, ascending: mean and deviation over finished seeds."""
    runs = experiment.runs
    chosen = runs[
        (runs["split"] == split.name) & (runs["arch"] == arch.name) & (runs["status"] == "finished")
    ]
    test, train = (
        chosen[chosen["part"] == part].set_index(["beta", "seed"]) for part in ("test", "train")
    )
    gap = test["excess_distortion"] - train["excess_distortion"]
    inference = test[INFERENCE] - train[INFERENCE]
    squares = test[f"{INFERENCE}_se"].pow(2) + train[f"{INFERENCE}_se"].pow(2)
    parts = {"gap": gap, "inference": inference, "decoder": gap - inference}
    by_beta = pd.DataFrame(parts | {"error": squares.pow(0.5)}).groupby("beta")
    moments = {
        f"{name}_{moment}": by_beta[name].agg(moment)
        for name in parts
        for moment in ("mean", "std")
    }
    shown = pd.DataFrame({"n": by_beta.size(), **moments, "inference_se": by_beta["error"].mean()})
    return shown.reset_index().assign(split=split.name, arch=arch.name)
