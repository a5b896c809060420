"""Pages of images by run."""

import numpy as np
import pandas as pd
import pytest

from rdpipe import figures
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import write_npz
from rdpipe.figures.interpolations import averages
from tests.figures.synthetic import ARCHS, SPLITS, experiment, synthetic_table

NAMES = ("interpolations", "traversals", "samples")


def some_pictures(folder, betas, diverged=()):
    """The pictures of the runs of two splits and architectures, of their own sizes."""
    paths = {}
    for side, split in enumerate(SPLITS, 8):
        for arch in ARCHS:
            for beta in betas:
                key = f"pictures/{split}/{arch['name']}/{beta:g}/0"
                random = np.random.default_rng(side)
                shapes = {"ends": (2, 2), "interpolation": (2, 4), "traversal": (3, 4)}
                shapes |= {"prior": (5,), "aggregate": (5,)}
                arrays = {
                    name: random.integers(0, 256, (*shape, side, side, 3), np.uint8)
                    for name, shape in shapes.items()
                }
                lost = beta in diverged
                arrays = (
                    {"activity": np.array([])}
                    if lost
                    else arrays | {"activity": np.array([2.0, 1, 0])}
                )
                paths[key] = folder / f"{key.replace('/', '-')}.npz"
                write_npz(paths[key], **arrays)
    return paths


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_each_run_but_those_that_diverged(name, tmp_path):
    betas = (0.1, 1.0, 5.0)
    paths, facts = experiment(tmp_path, synthetic_table(betas))
    paths |= some_pictures(tmp_path, betas, diverged=[5.0])
    figures.draw(f"rdpipe.figures.{name}", tmp_path, paths, facts)
    shown = pd.read_csv(tmp_path / f"{name}.csv")
    assert {*shown["beta"]} == {0.1, 1.0}
    assert {*shown["split"]} == {*SPLITS}
    assert {*shown["arch"]} == {arch["name"] for arch in ARCHS}


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_that_was_not_given_pictures_says_how_to_get_them(name, tmp_path):
    paths, facts = experiment(tmp_path, synthetic_table((0.1,)))
    with pytest.raises(RdpipeError, match="give it `diagnostic: pictures`"):
        figures.draw(f"rdpipe.figures.{name}", tmp_path, paths, facts)


def test_pixel_averages_begin_and_end_with_the_images():
    ends = np.array([0, 200], np.uint8).reshape(1, 2, 1, 1, 1)
    way = averages({"ends": ends, "interpolation": np.empty((1, 5, 1, 1, 1))})
    assert way.ravel().tolist() == [0, 50, 100, 150, 200]
