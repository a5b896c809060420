"""RD curves with and without early stopping (Section 4.4)."""

from pathlib import Path

from rdpipe.figures import _rd_pages, _style, _variants
from rdpipe.figures._experiment import Experiment

LOOKS = {
    "": ("without early stopping", _style.TRAIN),
    "early stopping": ("with early stopping", _style.TEST),
}


def draw(folder: Path, experiment: Experiment) -> None:
    """Draw one panel for each split (row) and architecture (column), with both kinds of curves.

    Refuses an experiment without an architecture that is stopped early.
    """
    rows = _variants.panels(experiment, LOOKS, "early_stopping")
    _rd_pages.save(folder, "early_stopping", *_rd_pages.page(rows))
