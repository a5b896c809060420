"""How far test images lie from the training set: the distance to the nearest neighbour.

For each split, the share of test images whose nearest training image is no farther than the
distance on the horizontal axis. A curve further to the right is a harder problem of generalisation.
Dots mark the 90th percentile, from which difficult examples are taken.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rdpipe.figures import _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import split_colours

LIKELIHOODS_APART = True  # no distortions are shown
DIFFICULT = 0.9  # the percentile of the difficult examples (Section 4.4)


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each dataset, with a cumulative curve for each split.

    Architectures are not shown: distances are between images.
    """
    neighbours = experiment.neighbours
    colours = split_colours(experiment.splits)
    datasets = list(dict.fromkeys(split.dataset for split in experiment.splits))
    legend = [_style.line(split.label, colour) for split, colour in colours.items()]
    legend.append(_style.line("90th percentile", **_style.REFERENCE))
    figure, grid = _style.wrapped(
        len(datasets),
        legend=legend,
        xlabel=r"$\ell_2$ distance to train",
        ylabel="share of test images",
        aspect=0.8,
        share="none",
    )
    for split in experiment.splits:
        axes, colour = grid[datasets.index(split.dataset)], colours[split]
        curve = neighbours[neighbours["split"] == split.name].sort_values("share")
        axes.plot(curve["distance"], curve["share"], color=colour)
        at = np.interp(DIFFICULT, curve["share"], curve["distance"])
        axes.plot(at, DIFFICULT, "o", color=colour, markersize=3)
    for axes, dataset in zip(grid, datasets, strict=True):
        axes.axhline(DIFFICULT, zorder=0.5, **_style.REFERENCE)
        axes.set(xlim=(0, None), ylim=(0, 1.02))
        if len(datasets) > 1:
            _style.title(axes, dataset)
    shown = neighbours[neighbours["split"].isin([split.name for split in experiment.splits])]
    return _style.save(figure, folder, "nearest_neighbours", shown)
