"""The inference gap against closed forms, and what it blames for a gap."""

import numpy as np
import pytest
import torch

from rdpipe.diagnostics import inference_gap
from rdpipe.diagnostics.inference_gap import Posteriors, fit, terms
from rdpipe.diagnostics.runs import encode
from rdpipe.evaluation.examples import inputs
from rdpipe.vae.models import VAE

from . import _linear as linear

N, STEPS = 24, 1500


def encoded(model, pixels):
    chosen = encode(model, pixels)
    return inputs(model, pixels), Posteriors(chosen.mean, chosen.log_variance)


def draws(shape, seed=5):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("beta", [0.01, 2.0])
def test_fitted_posteriors_are_the_best_ones_of_a_linear_decoder(beta):
    model = linear.vae(beta, noise=0.3)
    x, start = encoded(model, linear.images(N))
    check = draws((16, N, linear.D))
    fitted = fit(model, x, start, beta, np.random.default_rng(0), check, STEPS)
    lowest = linear.objective(model, x, *linear.best(model, x, beta), beta)[2]
    reached = linear.objective(model, x, fitted.mean, fitted.log_variance, beta)[2]
    gap = linear.objective(model, x, start.mean, start.log_variance, beta)[2] - lowest
    assert gap.mean() > 0.3
    assert (reached >= lowest - 1e-9).all()
    assert (reached - lowest).mean() < 0.02 + 0.01 * gap.mean()
    mean = linear.best(model, x, beta)[0]
    width = (fitted.log_variance / 2).exp()
    assert ((fitted.mean - mean) / width).square().mean().sqrt() < 0.25


def test_the_gap_is_that_of_the_closed_form():
    beta = 0.5
    model, pixels = linear.vae(beta, noise=0.2), linear.images(200)
    measured = inference_gap.measure(
        model, {"train": pixels}, beta, seed=0, images=200, samples=64, steps=STEPS
    )["train"]
    x, start = encoded(model, pixels)
    of_encoder = linear.objective(model, x, start.mean, start.log_variance, beta)
    of_best = linear.objective(model, x, *linear.best(model, x, beta), beta)
    names = ("inference_gap_distortion", "inference_gap_rate", "inference_gap")
    for name, one, other in zip(names, of_encoder, of_best, strict=True):
        truth = (one - other).mean().item()
        # the standard error is over examples, all of which are here, and the noise
        assert measured[name] == pytest.approx(truth, abs=0.1 + 0.02 * abs(truth)), name
    assert measured["fitted_objective"] == pytest.approx(of_best[2].mean().item(), abs=0.2)


def test_with_orthogonal_weights_the_fitted_elbo_is_the_evidence():
    """There the true posterior is diagonal, so nothing but the noise of the estimate is left."""
    model, pixels = linear.vae(1.0, orthogonal=True, noise=0.2), linear.images(200)
    measured = inference_gap.measure(
        model, {"test": pixels}, 1.0, seed=0, images=200, samples=64, steps=STEPS
    )["test"]
    truth = linear.evidence(model, inputs(model, pixels)).mean().item()
    assert -measured["fitted_objective"] == pytest.approx(truth, abs=0.1)


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_a_fitted_posterior_is_never_worse_than_the_encoders(beta):
    """On the noise of the looks, whatever the encoder is: the best one, or a broken one."""
    for noise in (0.0, 1.0):
        model = linear.vae(max(beta, 0.001), noise=noise, dtype=torch.float32)
        x, start = encoded(model, linear.images(N))
        check = draws((4, N, linear.D))
        fitted = fit(model, x, start, beta, np.random.default_rng(0), check, 400)
        before, after = (terms(model, x, each, beta, check)[0] for each in (start, fitted))
        assert (after <= before).all()


def broken(model, layer, size):
    """The model with noise in the bias of a layer."""
    bias = model.parameters[f"{layer}.bias"]
    noise = torch.from_numpy(np.random.default_rng(3).normal(size=bias.shape)).to(bias)
    return VAE(model.network, {**model.parameters, f"{layer}.bias": bias + size * noise})


@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_a_broken_encoder_is_found_in_inference_and_a_broken_decoder_in_the_decoder(beta):
    whole = linear.vae(beta)
    settings = {"seed": 0, "images": N, "samples": 32, "steps": STEPS}
    parts = {"test": linear.images(N)}

    def blame(model):
        measured = inference_gap.measure(model, parts, beta, **settings)["test"]
        return measured["inference_gap"], measured["fitted_objective"]

    inference, decoder = blame(whole)
    assert inference == pytest.approx(0, abs=0.05)
    in_encoder = blame(broken(whole, "mean", 1.0))
    assert in_encoder[0] > inference + 5
    assert in_encoder[1] == pytest.approx(decoder, abs=0.1)
    # noise outside the span of the weights: no code can undo it
    w = whole.parameters["output.weight"][0]
    noise = torch.from_numpy(np.random.default_rng(3).normal(size=(linear.P,)))
    noise -= w.T @ torch.linalg.solve(w @ w.T, w @ noise)
    shifted = whole.parameters | {"output.bias": whole.parameters["output.bias"] + noise}
    in_decoder = blame(VAE(whole.network, shifted))
    assert in_decoder[0] == pytest.approx(0, abs=0.05)
    assert in_decoder[1] > decoder + 5
