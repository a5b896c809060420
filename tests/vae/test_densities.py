"""Densities of posteriors and of their aggregate against PyTorch's, longdoubles and truth."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from rdpipe.vae import densities


def random_posteriors(*shape, width=1.0, seed=0):
    """Means, log-variances (…, N, D) of pairs of overlapping Gaussians, and a sample of each."""
    random = torch.Generator().manual_seed(seed)
    mean, jitter, spread, noise = torch.randn(4, *shape, generator=random, dtype=torch.float64)
    half = shape[-2] // 2
    mean[..., half : 2 * half, :] = mean[..., :half, :] + width * jitter[..., :half, :]
    log_variance = 2 * math.log(width) + 0.3 * spread
    return mean, log_variance, mean + (log_variance / 2).exp() * noise


def normal(mean, log_variance):
    """PyTorch's own."""
    return Independent(Normal(mean, (log_variance / 2).exp()), 1)


def batch_estimate(z, mean, log_variance, n):
    """log q(z_b) from a batch; PyTorch gives the samples' own densities."""
    own = normal(mean, log_variance).log_prob(z)
    return densities.log_aggregate_posterior_batch(z, mean, log_variance, own, n)


def test_densities_are_those_of_pytorch():
    mean, log_variance, z = random_posteriors(2, 3, 40, 5, width=0.3)
    prior = normal(torch.zeros(5), torch.zeros(5))
    torch.testing.assert_close(densities.log_standard_normal(z), prior.log_prob(z).double())
    # of every sample in the second axis from the end under every posterior in the last
    z = z[..., :7, :]
    pairs = normal(mean[..., None, :, :], log_variance[..., None, :, :]).log_prob(z[..., None, :])
    torch.testing.assert_close(densities.log_densities(z, mean, log_variance), pairs)


def test_the_density_of_a_sample_needs_no_more_than_its_noise():
    mean, log_variance, noise = torch.randn(3, 40, 5, dtype=torch.float64)
    z = mean + (log_variance / 2).exp() * noise
    own = densities.log_own_posterior(noise, log_variance)
    torch.testing.assert_close(own, normal(mean, log_variance).log_prob(z))


@pytest.mark.parametrize("width", [1.0, 1.5e-3, 1e-4])
def test_log_densities_of_narrow_posteriors_are_exact(width):
    mean, log_variance, z = random_posteriors(200, 10, width=width)
    m, v, s = (a.numpy().astype(np.longdouble) for a in (mean, log_variance, z))
    squares = ((s[:, None] - m) ** 2 * np.exp(-v) + v).sum(-1)
    expected = (-0.5 * (squares + 10 * np.log(2 * np.pi))).astype(float)
    near = expected > -100  # what a sum of densities sees
    assert near.sum() > 300
    log_each = densities.log_densities(z, mean, log_variance).numpy()
    np.testing.assert_allclose(log_each[near], expected[near], atol=1e-9)


@pytest.mark.parametrize("size", [2, 3, 6])
def test_the_batch_estimate_of_q_is_unbiased(size):
    """Its mean over all batches with a sample's own example is the density of the mixture."""
    mean, log_variance, z = random_posteriors(2, 6, 3, width=0.8)
    posteriors = [normal(mean[:, n], log_variance[:, n]) for n in range(6)]
    for own in range(6):
        truth = sum(posterior.log_prob(z[:, own]).exp() for posterior in posteriors) / 6
        others = [n for n in range(6) if n != own]
        batches = [[own, *chosen] for chosen in itertools.combinations(others, size - 1)]
        estimates = [
            batch_estimate(z[:, batch], mean[:, batch], log_variance[:, batch], 6)[:, 0].exp()
            for batch in batches
        ]
        torch.testing.assert_close(torch.stack(estimates).mean(0), truth, rtol=1e-12, atol=0)


def test_a_single_example_is_its_own_aggregate():
    mean, log_variance, z = random_posteriors(4, 1, 3)
    log_q = batch_estimate(z, mean, log_variance, 1)
    torch.testing.assert_close(log_q, normal(mean, log_variance).log_prob(z))


def test_gradients_are_those_of_finite_differences():
    inputs = [a.requires_grad_() for a in random_posteriors(2, 4, 3, width=0.5)]

    def estimate(mean, log_variance, z):
        return batch_estimate(z, mean, log_variance, 50)

    assert torch.autograd.gradcheck(estimate, inputs)
