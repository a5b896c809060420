"""The optimal decoder of infinite capacity, which memorises, and how near it a decoder is.

For given codes, the decoder with the lowest distortion on the training images returns a weighted
mean of training images. Each panel shows the perplexity of these weights: the number of images in
that mean. A perplexity near 1 means that the code names a single training image, which such a
decoder has memorised. The strip below shows the mean squared difference between this decoder and
the trained one; where it is small, the trained model memorises as well. Images compare the two
decoders on difficult test images.
"""

import itertools
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from rdpipe.figures import _over_beta, _strips, _style
from rdpipe.figures._experiment import Experiment

LIKELIHOODS_APART = True  # no distortions are shown
BELOW = 0.6  # inches: how far the two decoders are apart


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each split (row) and architecture (column), below both decoders' images.

    For given encodings the optimal decoder returns a weighted mean of training images (Section 2).
    The panel shows the perplexity of the weights, over how many images that mean is. The strip
    below it shows the mean squared error between the optimal decoder's images and the model's.
    """
    splits, archs = experiment.splits, experiment.archs
    kinds = {"reconstruction": "reconstructions", "optimal": "optimal\ndecoder"}
    strips = _strips.strips(experiment, kinds)
    figure, grid = _style.panels(
        len(splits),
        len(archs),
        legend=[
            *(_style.line(part, **look, **_style.DOT) for part, look in _style.PARTS.items()),
            _style.line(r"$N_\mathrm{train}$", **_style.REFERENCE),
        ],
        xlabel=r"$\beta$",
        ylabel="perplexity of weights",
        above=strips.above,
        below=BELOW,
    )
    plotted = []
    for axes, (split, arch) in zip(grid.flat, itertools.product(splits, archs), strict=True):
        gap = _style.strip_below(axes, BELOW, "MSE")
        for part, look in _style.PARTS.items():
            shown = experiment.points(split, arch, part, ["weight_perplexity", "optimal_gap"])
            _over_beta.plot(axes, shown, "weight_perplexity", **look)
            _over_beta.plot(gap, shown, "optimal_gap", **look)
            plotted.append(shown)
        axes.axhline(split.n_train, **_style.REFERENCE)
        axes.set_yscale("log")
        _over_beta.scale(gap, experiment.summary["beta"])
        _style.title(axes, f"{split.label}, {arch.label}", strips.above)
        _strips.show(strips, axes, split, arch)
    return _style.save(figure, folder, "optimal_decoder", pd.concat(plotted))
