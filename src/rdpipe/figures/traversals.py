"""Traversals: what each latent dimension changes, sorted by activity, by β.

Each block shows one split and one architecture, and for each β a row for each latent dimension. In
a row only this dimension changes, over two standard deviations of the aggregate posterior to either
side. Rows are sorted by activity, the variance of the posterior mean over images, which stands
beside each row. A dimension without activity changes nothing.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rdpipe.figures import _pictures
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._pictures import Pictures, Row

LIKELIHOODS_APART = True  # no distortions are shown


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw a block for each split and architecture, in it for each β a row for each dimension.

    A dimension moves over two deviations of the aggregate posterior to either side. The name of a
    row ends with its activity, the variance of its posterior mean.
    """

    def rows(beta: float, pictures: Pictures) -> list[Row]:
        moves = zip(pictures["activity"], pictures["traversal"], strict=True)
        named = ((f"{activity:.2g}", images) for activity, images in moves)
        first, *others = (Row(name, [images]) for name, images in named)
        return [Row(rf"$\beta = {beta:g}$: {first.name}", first.groups), *others]

    return _pictures.save(folder, "traversals", experiment, rows, _numbers)


def _numbers(beta: float, pictures: Pictures) -> pd.DataFrame:
    activity = pictures["activity"]
    return pd.DataFrame({"dimension": np.arange(len(activity)), "activity": activity})
