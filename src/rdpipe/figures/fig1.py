"""Figure 1: examples of a dataset of known factors."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rdpipe.figures import style
from rdpipe.files import read_npz, read_parquet

ROWS, COLUMNS = 3, 14


@style.paper
def draw(folder: Path, *, inputs: Mapping[str, Path]) -> None:
    """Show examples that cover the whole range of every factor.

    Parameters
    ----------
    folder
        where fig1.pdf, .png and .csv (row in the dataset and factors of what is shown) go.
    inputs
        `images`, the dataset's images.npz, and `factors`, its factors.parquet.
    """
    factors = read_parquet(inputs["factors"])
    chosen = spread(factors.to_numpy(), ROWS * COLUMNS)
    images = read_npz(inputs["images"])["images"][chosen]

    step = 1.06  # of an image's width, to the next
    height = style.WIDTH * ROWS / COLUMNS
    figure = Figure(figsize=(style.WIDTH, height))
    axes = style.place(figure, 0, 0, style.WIDTH, height)
    axes.set_axis_off()
    for i, image in enumerate(images):
        row, column = divmod(i, COLUMNS)
        style.show_image(axes, image, step * column, -step * row)
    axes.set(xlim=(0, step * COLUMNS - 0.06), ylim=(1.06 - step * ROWS, 1))
    shown = factors.iloc[chosen]
    shown.insert(0, "row", chosen)
    style.save(figure, folder, "fig1", shown)


def spread(factors: np.ndarray, n: int) -> np.ndarray:
    """Rows (n,) of a table of factors (N, d) that lie close to a Latin hypercube of their ranks.

    So a few examples show every factor from its lowest to its highest values.
    """
    ranks = factors.argsort(axis=0).argsort(axis=0) / len(factors)  # (N, d) in [0, 1)
    generator = np.random.default_rng(0)
    wanted = [(generator.permutation(n) + 0.5) / n for _ in range(factors.shape[1])]
    return np.array([((ranks - one) ** 2).sum(axis=1).argmin() for one in np.stack(wanted, axis=1)])
