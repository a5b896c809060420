"""Figure 1: examples of a dataset of known factors.

Each picture is one image of the dataset. The images are chosen so that together they cover the
whole range of every factor that the dataset knows, such as angle, colour and place.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rdpipe.common.files import read_npz, read_parquet
from rdpipe.figures import _style

ROWS, COLUMNS = 3, 14


def draw(folder: Path, *, inputs: Mapping[str, Path]) -> Figure:
    """Show examples that cover the whole range of every factor.

    Parameters
    ----------
    folder
        Where fig1.pdf, .png and .csv go; the CSV has the row of each example in the dataset, and
        its factors.
    inputs
        `images`, the dataset's images.npz, and `factors`, its factors.parquet.
    """
    table = read_parquet(inputs["factors"])
    factors = table.select_dtypes("number").drop(columns="row", errors="ignore")
    chosen = spread(factors.to_numpy(), ROWS * COLUMNS)
    images = read_npz(inputs["images"])["images"][chosen]

    step = 1.06  # of an image's width, to the next
    height = _style.WIDTH * ROWS / COLUMNS
    figure = Figure(figsize=(_style.WIDTH, height))
    axes = _style.place(figure, 0, 0, _style.WIDTH, height)
    axes.set_axis_off()
    for i, image in enumerate(images):
        row, column = divmod(i, COLUMNS)
        _style.show_image(axes, image, step * column, -step * row)
    axes.set(xlim=(0, step * COLUMNS - 0.06), ylim=(1.06 - step * ROWS, 1))
    # a table without factors names each image by its row or its file
    shown = table.iloc[chosen].drop(columns="row", errors="ignore")
    shown.insert(0, "row", chosen)
    return _style.save(figure, folder, "fig1", shown)


def spread(factors: np.ndarray, n: int) -> np.ndarray:
    """Choose examples that lie close to a Latin hypercube of the factors' ranks.

    So a few examples show every factor from its lowest to its highest values. Without factors,
    they are evenly spaced in the table.

    Parameters
    ----------
    factors
        Table of factors (N, d).
    n
        How many to choose.

    Returns
    -------
    ndarray
        Their rows (n,) in the table; without factors all N rows if there are fewer than n.
    """
    if not factors.shape[1]:
        return np.linspace(0, len(factors) - 1, min(n, len(factors))).round().astype(int)
    ranks = factors.argsort(axis=0).argsort(axis=0) / len(factors)  # (N, d) in [0, 1)
    generator = np.random.default_rng(0)
    wanted = [(generator.permutation(n) + 0.5) / n for _ in range(factors.shape[1])]
    return np.array([((ranks - one) ** 2).sum(axis=1).argmin() for one in np.stack(wanted, axis=1)])
