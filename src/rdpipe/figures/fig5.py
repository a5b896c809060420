"""Figure 5: test RD curves of several splits, by architecture."""

from pathlib import Path

from rdpipe.figures import _rd_pages
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import split_colours
from rdpipe.figures._rd_curves import curve
from rdpipe.figures._rd_pages import Panel


def draw(folder: Path, experiment: Experiment) -> None:
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
    _rd_pages.save(folder, "fig5", *_rd_pages.wrapped_page(panels, share="page"))
