"""Figure 5: test RD curves of several splits, by architecture.

Each panel shows one architecture, with a test RD curve for each split. Each point is one β: the
mean of rate R and distortion D over seeds, with bars of one standard deviation. The star marks β =
1, and grey lines join points of equal ELBO. All panels have the same axes.
"""

from pathlib import Path

from matplotlib.figure import Figure

from rdpipe.figures import _rd_pages
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import split_colours
from rdpipe.figures._rd_curves import curve
from rdpipe.figures._rd_pages import Panel


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each architecture, with a curve for each split."""
    colours = split_colours(experiment.splits)
    panels = [
        Panel(
            arch.label,
            [
                curve(experiment, split, arch, "test", split.label, colours[split])
                for split in experiment.splits
            ],
        )
        for arch in experiment.archs
    ]
    return _rd_pages.save(folder, "fig5", *_rd_pages.wrapped_page(panels, share="page"))
