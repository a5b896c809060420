"""RD curves with and without early stopping (Section 4.4).

Each panel shows one split and one architecture. Early stopping keeps the parameters with the lowest
objective on training images that were held out. Dashed curves are measured on the training part,
full curves on the test part. Each point is one β: the mean of rate R and distortion D over seeds,
with bars of one standard deviation.
"""

from pathlib import Path

from matplotlib.figure import Figure

from rdpipe.figures import _rd_pages, _style, _variants
from rdpipe.figures._experiment import Experiment

LOOKS = {
    "": ("without early stopping", _style.TRAIN),
    "early stopping": ("with early stopping", _style.TEST),
}


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each split (row) and architecture (column), with both kinds of curves.

    Refuses an experiment without an architecture that is stopped early.
    """
    rows = _variants.panels(experiment, LOOKS, "early_stopping")
    return _rd_pages.save(folder, "early_stopping", *_rd_pages.page(rows))
