"""Test RD curves by prior, likelihood or latent dimension."""

from pathlib import Path

from rdpipe.figures import _rd_pages
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._rd_curves import pair
from rdpipe.figures._rd_pages import Panel
from rdpipe.figures._settings import families

LIKELIHOODS_APART = True


def draw(folder: Path, experiment: Experiment) -> None:
    """Draw one panel for each split, kind, depth and likelihood, with a pair of curves a setting.

    Each panel has its own limits, as the distortions of different likelihoods cannot be compared.
    Refuses more settings than colours that can be told apart.
    """
    panels = [
        Panel(
            f"{split.label}, {family.title}",
            [
                curve
                for arch, label, colour in family.members
                for curve in pair(experiment, split, arch, label, colour)
            ],
        )
        for split in experiment.splits
        for family in families(experiment.archs)
    ]
    _rd_pages.save(folder, "by_setting", *_rd_pages.wrapped_page(panels, share="none"))
