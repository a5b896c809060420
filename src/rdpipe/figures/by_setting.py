"""Test RD curves by prior, likelihood or latent dimension.

Each panel shows one split and one family of architectures that differ only in the setting named in
the legend. Dashed curves are measured on the training part, full curves on the test part. Each
point is one β: the mean of rate R and distortion D over seeds, with bars of one standard deviation.
Each panel has its own axes, because distortions of different likelihoods cannot be compared.
"""

from pathlib import Path

from matplotlib.figure import Figure

from rdpipe.figures import _rd_pages
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._rd_curves import pair
from rdpipe.figures._rd_pages import Panel
from rdpipe.figures._settings import families

LIKELIHOODS_APART = True


def draw(folder: Path, experiment: Experiment) -> Figure:
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
    return _rd_pages.save(folder, "by_setting", *_rd_pages.wrapped_page(panels, share="none"))
