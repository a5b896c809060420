"""Pictures: which test images are shown, and what a decoder makes of codes."""

import math

import numpy as np
import torch

from rdpipe.evaluation.reconstructions import decode, difficult, to_uint8

from ._runs import as_vae, constant_model, copying_model, evaluate, make_split, random_images


def test_difficult_examples_are_those_nearest_the_90th_percentile(tmp_path):
    distance = np.arange(101.0)[::-1]
    assert list(difficult(distance, 1)) == [10]
    assert set(difficult(distance, 3)) == {9, 10, 11}
    assert len(difficult(distance[:2], 8)) == 2
    split = make_split(random_images(30), random_images(101))
    _, pictures = evaluate(tmp_path / "run", split, constant_model(6))
    assert list(pictures["test"]) == [90, 89, 91]
    np.testing.assert_array_equal(pictures["input"], split.test.images[[90, 89, 91]])
    np.testing.assert_array_equal(pictures["neighbour"], split.train.images[[0, 29, 1]])
    np.testing.assert_array_equal(pictures["distance"], [90, 89, 91])


def test_ties_for_difficult_examples_go_to_the_first():
    assert list(difficult(np.ones(5), 3)) == [0, 1, 2]


def test_codes_are_decoded_in_their_order_whatever_the_blocks():
    z = torch.linspace(0, 100, 301, dtype=torch.float64)[:, None]
    pixels = decode(as_vae(copying_model(), (1, 1, 1)), z)
    expected = 1 / (1 + torch.exp(50 - z))
    assert pixels.dtype == torch.float32
    torch.testing.assert_close(pixels.double(), expected, rtol=1e-5, atol=1e-30)


def test_pixels_are_rounded_and_those_that_are_no_number_become_black():
    pixels = torch.tensor([[0.0, 1.0, 0.5 / 255 - 1e-6, 0.5 / 255 + 1e-6, 127.6 / 255, math.nan]])
    images = to_uint8(pixels, (2, 3, 1))
    assert images.dtype == np.uint8 and images.shape == (1, 2, 3, 1)
    assert images.ravel().tolist() == [0, 255, 0, 1, 128, 0]
