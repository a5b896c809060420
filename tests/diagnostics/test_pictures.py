"""Pictures of a latent space: where their codes lie, and what a run without one leaves."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rdpipe.common.files import read_npz, write_json
from rdpipe.diagnostics.pictures import interpolate, traverse, write_measure
from rdpipe.evaluation.examples import Encoded
from tests.evaluation import _runs

SETTINGS = {"seed": 0, "pairs": 2, "steps": 5, "samples": 3}


def test_an_interpolation_is_straight_and_ends_at_its_ends():
    ends = torch.tensor([[[0.0, 1.0], [4.0, -1.0]]], dtype=torch.float64)
    way = interpolate(ends, 5)
    assert way[0].tolist() == [[0, 1], [1, 0.5], [2, 0], [3, -0.5], [4, -1]]


def test_a_traversal_moves_one_dimension_over_the_aggregate_posterior():
    random = torch.from_numpy(np.random.default_rng(0).normal(size=(4000, 2)))
    mean = torch.tensor([5.0, -1.0]) + random * torch.tensor([3.0, 0.0])
    train = Encoded(np.empty(0), mean.double(), torch.zeros(4000, 2, dtype=torch.float64))
    base = torch.tensor([7.0, 8.0], dtype=torch.float64)
    codes = traverse(base, train, 3)
    assert (codes[0, :, 1] == 8).all() and (codes[1, :, 0] == 7).all()
    # N(5, 9 + 1) and N(-1, 0 + 1), two deviations to either side
    assert codes[0, :, 0].tolist() == pytest.approx([5 - 6.3, 5, 5 + 6.3], abs=0.3)
    assert codes[1, :, 1].tolist() == pytest.approx([-3, -1, 1])


def write(folder, model, status="finished", **arch):
    folder.mkdir()
    record = {"status": status, "arch": _runs.architecture(model) | arch, "image_shape": (1, 1, 1)}
    write_json(folder / "run.json", record | {"beta": 0.3, "seed": 7})
    save_file(model, folder / "model.safetensors")
    parts = {"train": _runs.random_images(20, (1, 1, 1)), "test": _runs.random_images(9, (1, 1, 1))}
    paths = {"run": folder / "run.json", "model": folder / "model.safetensors"}
    write_measure(folder, parts, **paths, **SETTINGS)
    return read_npz(folder / "pictures.npz")


def test_pictures_of_a_run_are_images_of_its_decoder(tmp_path):
    """Codes are 100 x and the decoder is nearly a step at a half: white above it, else black."""
    pictures = write(tmp_path / "run", _runs.copying_model())
    assert pictures["interpolation"].shape == (2, 5, 1, 1, 1)
    assert pictures["traversal"].shape == (1, 5, 1, 1, 1)
    assert pictures["prior"].shape == pictures["aggregate"].shape == (3, 1, 1, 1)
    ends = pictures["ends"][:, :, 0, 0, 0] / 255
    expected = 255 / (1 + np.exp(-(100 * ends - 50)))
    found = pictures["interpolation"][:, [0, -1], 0, 0, 0]
    np.testing.assert_allclose(found, expected, atol=1)
    assert (pictures["prior"] == 0).all()  # codes of N(0, 1) are those of black
    assert pictures["activity"] == pytest.approx([1e4 * 0.083], rel=0.5)


def test_a_run_that_diverged_has_no_pictures(tmp_path):
    pictures = write(tmp_path / "run", _runs.copying_model(), status="diverged")
    assert [*pictures] == ["activity"] and not len(pictures["activity"])
