"""Interpolations between test images: straight in latent space by β, beside the pixel average.

Each block shows one split and one architecture. A row begins and ends with a test image's
reconstruction and goes straight from one code to the other. The first row shows averages of the two
images' pixels instead, the other rows one β each. A model that has learned the factors moves and
turns a shape; a model that has not blends two pictures.
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
    """Draw a block for each split and architecture: pixel averages, then a row for each β.

    The CSV has the mean squared difference of each image from the pixel average, at intensities
    from 0 to 1: large on the way where a model goes another way than the pixels.
    """

    def rows(beta: float, pictures: Pictures) -> list[Row]:
        return [Row(rf"$\beta = {beta:g}$", [*pictures["interpolation"]])]

    return _pictures.save(folder, "interpolations", experiment, rows, _numbers, _averages)


def averages(pictures: Pictures) -> np.ndarray:
    """What is between the ends in pixels, uint8 (pairs, S, H, W, C)."""
    steps = pictures["interpolation"].shape[1]
    share = np.linspace(0, 1, steps)[:, None, None, None]
    ends = pictures["ends"].astype(float)
    return ((1 - share) * ends[:, :1] + share * ends[:, 1:]).round().astype(np.uint8)


def _averages(pictures: Pictures) -> list[Row]:
    return [Row("pixels", [*averages(pictures)])]


def _numbers(beta: float, pictures: Pictures) -> pd.DataFrame:
    difference = (pictures["interpolation"].astype(float) - averages(pictures)) / 255
    squares = np.square(difference).mean((2, 3, 4))  # (pairs, S)
    pair, step = np.indices(squares.shape)
    columns = {"pair": pair, "step": step, "from_average": squares}
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()})
