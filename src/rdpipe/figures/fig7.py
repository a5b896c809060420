"""Figure 7: training and test RD curves by split, a pair of curves for each architecture.

Each panel shows one split of one dataset, with a pair of curves for each architecture: dashed on
the training part, full on the test part. Each point is one β: the mean of rate R and distortion D
over seeds, with bars of one standard deviation. The star marks β = 1, and grey lines join points of
equal ELBO. Each panel has its own axes, because datasets differ.
"""

from pathlib import Path

from matplotlib.figure import Figure

from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _rd_pages, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._rd_curves import pair
from rdpipe.figures._rd_pages import Panel


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each split, with a pair of curves for each architecture.

    Each panel has its own limits, as datasets differ. Refuses more architectures than colours that
    can be told apart.
    """
    archs = experiment.archs
    if len(archs) > len(_style.COLOURS):
        raise RdpipeError(
            f"its experiment has {len(archs)} architectures, but only "
            f"{len(_style.COLOURS)} colours can be told apart; give it fewer."
        )
    panels = [
        Panel(
            f"{split.dataset}, {split.sized}",
            [
                curve
                for arch, colour in zip(archs, _style.COLOURS, strict=False)
                for curve in pair(experiment, split, arch, arch.label, colour)
            ],
        )
        for split in experiment.splits
    ]
    return _rd_pages.save(folder, "fig7", *_rd_pages.wrapped_page(panels, share="none"))
