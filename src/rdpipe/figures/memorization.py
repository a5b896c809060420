"""How often a reconstruction is nearer to a training image than to its input, against β.

Each panel shows one architecture, with a curve for each split: the share of test images whose
reconstruction is nearer to some training image than to its own input. Mean and standard deviation
over seeds. The densest split is the baseline (dotted): its test images lie so close to training
images that many a good reconstruction is nearer to one of them by chance.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from rdpipe.figures import _over_beta, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Split, split_colours

LIKELIHOODS_APART = True  # no distortions are shown
BASELINE: dict[str, Any] = {"color": "black", "linestyle": ":"}


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each dataset (row) and architecture (column), with a curve a split.

    The densest split is the baseline (dotted). Its test images lie among training images, so many
    a good reconstruction happens to be nearer to one of these.
    """
    colours = split_colours(experiment.splits)
    datasets: dict[str, list[Split]] = {}
    for split in experiment.splits:
        datasets.setdefault(split.dataset, []).append(split)
    baselines = {_baseline(splits) for splits in datasets.values()}
    looks = {
        split: BASELINE if split in baselines else {"color": colours[split]}
        for split in experiment.splits
    }
    figure, grid = _style.panels(
        len(datasets),
        len(experiment.archs),
        legend=[
            _style.line(split.label + ", baseline" * (split in baselines), **look, **_style.DOT)
            for split, look in looks.items()
        ],
        xlabel=r"$\beta$",
        ylabel="share memorised",
    )
    plotted = []
    cells = itertools.product(datasets.values(), experiment.archs)
    for axes, (splits, arch) in zip(grid.flat, cells, strict=True):
        for split in splits:
            shown = experiment.points(split, arch, "test", ["memorization"])
            _over_beta.plot(axes, shown, "memorization", **looks[split])
            plotted.append(shown)
        _over_beta.scale(axes, experiment.summary["beta"])
        axes.set_ylim(-0.03, 1.03)
        _style.title(axes, splits[0].prefix + arch.label)
    return _style.save(figure, folder, "memorization", pd.concat(plotted))


def _baseline(splits: Sequence[Split]) -> Split | None:
    """The CV split of a dataset that trains on most; None where the dataset has no other split."""
    dense = sorted((one for one in splits if one.kind == "cv"), key=lambda one: one.n_train)
    return dense[-1] if dense and len(splits) > 1 else None
