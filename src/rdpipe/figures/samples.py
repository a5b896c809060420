"""Samples of the prior, and of the aggregate posterior, by β.

Each block shows one split and one architecture, and for each β a row of samples from the prior p(z)
and a row of samples from the aggregate posterior q(z), both decoded. Where the prior misses the
aggregate posterior, its samples look worse. A row is left out for priors other than N(0, 1).
"""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from rdpipe.figures import _pictures
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._pictures import Pictures, Row

LIKELIHOODS_APART = True  # no distortions are shown
KINDS = {"prior": "p(z)", "aggregate": "q(z)"}


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw a block for each split and architecture, in it two rows for each β.

    Where the prior misses the aggregate posterior, its samples look worse. Priors other than N(0,
    1) have no row of their own.
    """

    def rows(beta: float, pictures: Pictures) -> list[Row]:
        return [
            Row(rf"$\beta = {beta:g}$, {label}", [pictures[kind]])
            for kind, label in KINDS.items()
            if len(pictures[kind])
        ]

    return _pictures.save(folder, "samples", experiment, rows, _numbers)


def _numbers(beta: float, pictures: Pictures) -> pd.DataFrame:
    """Number and mean intensity of the samples of each kind."""
    kinds = [kind for kind in KINDS if len(pictures[kind])]
    return pd.DataFrame(
        {
            "kind": kinds,
            "n": [len(pictures[kind]) for kind in kinds],
            "intensity": [pictures[kind].mean() / 255 for kind in kinds],
        }
    )
