"""Distortion, rate and MSE of one part, against quadrature and closed forms."""

import math

import numpy as np
import pytest

from rdpipe.evaluation import rate_distortion
from rdpipe.evaluation.examples import Part

from ._runs import as_vae, constant_model, evaluate, make_split, random_images


def measure(vae, part, label, seed=0):
    noise, random = (np.random.default_rng([seed, i]) for i in range(2))
    return rate_distortion.measure(vae, part, noise, random, label)


def test_distortion_is_that_of_one_sample_of_each_posterior(tmp_path):
    # logit = z with z from N(0, 1), x = 0: D = E softplus(z); at the posterior mean it is log 2
    model = constant_model(1, latent=1, mean=0.0, log_variance=0.0, logit=-50.0)
    model["decoder.0.weight"][0, 0] = model["output.weight"][0, 0] = 1.0
    model["decoder.0.bias"][0, 0] = 50.0
    part = Part(np.zeros((20_000, 1, 1, 1), np.uint8), 0.0)
    z = np.linspace(-10, 10, 20_001)
    nats, density = np.log1p(np.exp(z)), np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    truth = np.trapezoid(nats * density, z)
    spread = math.sqrt(np.trapezoid((nats - truth) ** 2 * density, z) / 20_000)
    found = [
        measure(as_vae(model, (1, 1, 1)), part, "train", seed)[0]["distortion"] for seed in (0, 1)
    ]
    assert np.all(np.abs(np.array(found) - truth) < 4 * spread)
    assert found[0] != found[1]
    # an evaluation takes other noise on test than on train, though the images are the same
    split = make_split(part.images[:50], part.images[:50])
    metrics, _ = evaluate(tmp_path / "run", split, model)
    assert metrics["distortion"]["train"] != metrics["distortion"]["test"]


def test_weights_in_float64_are_evaluated_in_float64(tmp_path):
    split = make_split(random_images(10), random_images(10))
    model = {name: p.double() for name, p in constant_model(6, logit=0.1).items()}
    model["output.bias"].fill_(0.1)
    metrics, _ = evaluate(tmp_path / "run", split, model)
    x = split.train.images.reshape(10, -1) / 255
    distortion = (np.log1p(np.exp(0.1)) - 0.1 * x).sum(1).mean()
    assert metrics["distortion"]["train"] == pytest.approx(distortion, rel=1e-14)


@pytest.mark.parametrize("n", [1, 128, 300])
def test_examples_of_every_block_are_encoded_in_their_order(n):
    """Whatever is left over for the last block."""
    model = constant_model(6, latent=2)
    model["encoder.0.weight"][:, 0], model["mean.weight"][0, :] = 1, 0.5
    images = random_images(n)
    measured, encoded = measure(as_vae(model, (2, 3, 1)), Part(images, 1.5), "test")
    total = images.reshape(n, -1).sum(1) / 255
    mean = np.stack(2 * [0.5 * total + 0.5], 1)
    np.testing.assert_allclose(encoded.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(encoded.log_variance, -1, rtol=1e-6)
    assert encoded.images is images
    rate = ((mean**2 + math.exp(-1)) / 2).sum(1).mean()  # (m² + v - 1 - log v) / 2 each
    assert measured["rate"] == pytest.approx(rate, rel=1e-6)
    assert measured["rate_se"] == 0
    assert measured["elbo"] == -measured["distortion"] - measured["rate"]
    assert measured["excess_distortion"] == measured["distortion"] - 1.5
