"""Memorisation in the decoder's likelihood: a copy of training images, a good and a blurred one."""

import numpy as np
import pytest
import torch

from rdpipe.diagnostics.decoder_memorization import measure
from tests.evaluation import _runs

N = 200


def share(model, train, test):
    """The share that counts as memorised, of one-pixel images."""
    parts = {"train": train.reshape(-1, 1, 1, 1), "test": test.reshape(-1, 1, 1, 1)}
    found = measure(_runs.as_vae(model, (1, 1, 1)), parts, 1.0, seed=0, images=len(test))
    assert not found["train"]
    return found["test"]


def grey(seed, low=10, high=245, n=N):
    return np.random.default_rng(seed).integers(low, high, n).astype(np.uint8)


def test_a_decoder_that_underfits_has_a_share_of_a_half():
    """It returns the same for every code: test and training images are alike to it."""
    model = _runs.constant_model(1, 1, mean=0.0, log_variance=0.0, logit=1.5)
    assert share(model, grey(0), grey(1))["decoder_memorization"] == pytest.approx(0.5, abs=0.12)


def test_a_decoder_that_returns_the_image_itself_has_memorised_nothing():
    """Codes 100 x are 0.0025 wide, and the decoder returns nearly white or black by the code."""
    dark, light = np.array([0, 0, 10] * 20, np.uint8), np.array([235, 245] * 30, np.uint8)
    # training images are dark only, so the optimal decoder returns a dark one for every code
    measured = share(_runs.copying_model(), dark, light)
    assert measured["decoder_memorization"] == 0
    assert measured["memorized_nats"] < -10


def test_a_decoder_that_returns_training_images_has_memorised():
    """It returns black for every code, as all training images are; no test image is."""
    model = _runs.constant_model(1, 1, logit=-8.0)
    measured = share(model, np.zeros(N, np.uint8), grey(1))
    assert measured["decoder_memorization"] == 1
    assert measured["memorized_nats"] > 1


def test_the_optimal_decoders_nats_are_the_mean_nats_of_the_training_images_of_the_code():
    """One code for all: the mean over all training images, since nats are linear in an image."""
    model = _runs.constant_model(1, 1, logit=0.7)
    train, test = grey(0), grey(1)
    x = torch.tensor(np.concatenate([train, test]) / 255)
    nats = torch.nn.functional.softplus(torch.tensor(0.7)) - 0.7 * x
    expected = nats[N:].mean() - nats[:N].mean()
    assert share(model, train, test)["memorized_nats"] == pytest.approx(expected.item(), abs=1e-5)
