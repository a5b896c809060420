"""Figure 3: training and test RD curves by split and architecture, with reconstructions."""

import itertools
from pathlib import Path

from rdpipe.figures import _rd_pages, _strips, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch, Split
from rdpipe.figures._rd_curves import curve
from rdpipe.figures._rd_pages import Panel


def draw(folder: Path, experiment: Experiment) -> None:
    """Draw one panel for each split (row) and architecture (column), below its reconstructions."""
    strips = _strips.strips(experiment, {"reconstruction": "reconstructions"})
    rows = [[_panel(experiment, split, arch) for arch in experiment.archs]
            for split in experiment.splits]  # fmt: skip
    figure, drawn = _rd_pages.page(rows, above=strips.above)
    cells = itertools.product(experiment.splits, experiment.archs)
    for axes, (split, arch) in zip(drawn, cells, strict=True):
        _strips.show(strips, axes, split, arch)
    _rd_pages.save(folder, "fig3", figure, drawn)


def _panel(experiment: Experiment, split: Split, arch: Arch) -> Panel:
    train = curve(experiment, split, arch, "train", "training", _style.TRAIN, linestyle="--")
    test = curve(experiment, split, arch, "test", "test", _style.TEST)
    return Panel(f"{split.label}, {arch.label}", [train, test], betas_of=test)
