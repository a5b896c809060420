"""Figure 3: training and test RD curves by split and architecture, with reconstructions.

Each panel shows one split and one architecture, and each point one β: the mean of rate R and
distortion D over seeds, with bars of one standard deviation. Low D means good reconstructions; low
R means that the code holds little information. The dashed curve is measured on the training part,
the full curve on the test part, so their distance is the generalisation gap. The star marks β = 1,
and grey lines join points of equal ELBO. Above a panel stand a difficult test image (one far from
the training images), its nearest training image, and its reconstructions by β.
"""

import itertools
from pathlib import Path

from matplotlib.figure import Figure

from rdpipe.figures import _rd_pages, _strips, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch, Split
from rdpipe.figures._rd_curves import curve
from rdpipe.figures._rd_pages import Panel


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each split (row) and architecture (column), below its reconstructions."""
    strips = _strips.strips(experiment, {"reconstruction": "reconstructions"})
    rows = [[_panel(experiment, split, arch) for arch in experiment.archs]
            for split in experiment.splits]  # fmt: skip
    figure, drawn = _rd_pages.page(rows, above=strips.above)
    cells = itertools.product(experiment.splits, experiment.archs)
    for axes, (split, arch) in zip(drawn, cells, strict=True):
        _strips.show(strips, axes, split, arch)
    return _rd_pages.save(folder, "fig3", figure, drawn)


def _panel(experiment: Experiment, split: Split, arch: Arch) -> Panel:
    train = curve(experiment, split, arch, "train", "training", _style.TRAIN, linestyle="--")
    test = curve(experiment, split, arch, "test", "test", _style.TEST)
    return Panel(f"{split.label}, {arch.label}", [train, test], betas_of=test)
