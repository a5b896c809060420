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


def batch_estimate(z, mean, log_variance, n):
    """log q(z_b) from a batch, the samples' own densities computed from them."""
    own = densities.log_posterior(z, mean, log_variance)
    return densities.log_aggregate_posterior_batch(z, mean, log_variance, own, n)


def normal(mean, log_variance):
    """PyTorch's own."""
    return Independent(Normal(mean, (log_variance / 2).exp()), 1)


def test_densities_are_those_of_pytorch():
    mean, log_variance, z = random_posteriors(2, 3, 40, 5, width=0.3)
    posterior, prior = normal(mean, log_variance), normal(torch.zeros(5), torch.zeros(5))
    own = densities.log_posterior(z, mean, log_variance)
    torch.testing.assert_close(own, posterior.log_prob(z))
    torch.testing.assert_close(densities.log_prior(z), prior.log_prob(z).double())
    # of every sample in the second axis from the end under every posterior in the last
    z = z[..., :7, :]
    pairs = normal(mean[..., None, :, :], log_variance[..., None, :, :]).log_prob(z[..., None, :])
    torch.testing.assert_close(densities.log_densities(z, mean, log_variance), pairs)


def test_a_samples_own_density_needs_no_more_than_its_noise():
    mean, log_variance, noise = torch.randn(3, 40, 5, dtype=torch.float64)
    z = mean + (log_variance / 2).exp() * noise
    own = densities.log_own_posterior(noise, log_variance)
    torch.testing.assert_close(own, densities.log_posterior(z, mean, log_variance))


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


def test_batch_estimate_of_q_is_its_formula():
    mean, log_variance, z = random_posteriors(2, 5, 3, width=0.8)
    n = 70
    each = densities.log_densities(z, mean, log_variance).exp()
    log_q = batch_estimate(z, mean, log_variance, n)
    for r, b in itertools.product(range(2), range(5)):
        others = sum(each[r, b, other] for other in range(5) if other != b)
        q = each[r, b, b] / n + (n - 1) / (n * 4) * others
        assert log_q[r, b].item() == pytest.approx(q.log().item(), abs=1e-12)


def test_batch_estimate_of_q_is_unbiased():
    mean, log_variance, z = random_posteriors(6, 2, width=0.8)
    truth = densities.log_densities(z, mean, log_variance).exp().mean(1)[0]
    batches = [[0, *others] for others in itertools.combinations(range(1, 6), 2)]
    estimates = [batch_estimate(z[b], mean[b], log_variance[b], 6)[0].exp() for b in batches]
    torch.testing.assert_close(torch.stack(estimates).mean(), truth)


def test_a_single_example_is_its_own_aggregate():
    mean, log_variance, z = random_posteriors(4, 1, 3)
    log_q = batch_estimate(z, mean, log_variance, 1)
    torch.testing.assert_close(log_q, densities.log_posterior(z, mean, log_variance))


def test_gradients_are_those_of_finite_differences():
    inputs = [a.requires_grad_() for a in random_posteriors(2, 4, 3, width=0.5)]

    def estimate(mean, log_variance, z):
        return batch_estimate(z, mean, log_variance, 50)

    assert torch.autograd.gradcheck(estimate, inputs)
