"""Estimates of the rate's two terms against truth."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from rdpipe.evaluation import rate_terms
from rdpipe.vae.densities import log_standard_normal
from rdpipe.vae.priors import standard


def random_posteriors(n, latent=10, width=1.0, seed=0):
    """N Gaussians around standard normal means, pairs of them so close that they overlap."""
    random = torch.Generator().manual_seed(seed)
    mean, jitter, spread = torch.randn(3, n, latent, generator=random, dtype=torch.float64)
    mean[1::2] = mean[: n // 2 * 2 : 2] + width * jitter[1::2]
    return mean, 2 * math.log(width) + 0.3 * spread


def draw(mean, log_variance, samples=None, seed=1):
    """Rows (all of them once, or `samples` random ones) and a sample of each row's posterior."""
    random = torch.Generator().manual_seed(seed)
    n = len(mean)
    rows = torch.randint(n, (samples,), generator=random) if samples else torch.arange(n)
    noise = torch.randn(len(rows), mean.shape[1], generator=random, dtype=torch.float64)
    return rows, mean[rows] + (log_variance[rows] / 2).exp() * noise


def decompose(mean, log_variance, rows, z):
    log_q = rate_terms.log_aggregate_posterior(z, mean, log_variance)
    return rate_terms.decompose(z, mean[rows], log_variance[rows], log_q, log_standard_normal(z))


def decompose_batches(z, mean, log_variance, n, batch):
    return rate_terms.decompose_batches(z, mean, log_variance, log_standard_normal(z), n, batch)


def quadrature(mean, log_variance):
    """I(x;z) and KL(q(z)‖p(z)) of a one-dimensional mixture, by the trapezoid rule."""
    mean, sigma = mean.numpy(), np.exp(log_variance.numpy() / 2)  # (N, 1)
    z = np.linspace((mean - 10 * sigma).min(), (mean + 10 * sigma).max(), 200_001)
    log_each = -0.5 * ((z - mean) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)  # (N, Z)
    each = np.exp(log_each)
    q = each.mean(0)
    log_q = np.log(np.maximum(q, 1e-300))  # where no posterior reaches, q log q is 0
    information = np.trapezoid((each * (log_each - log_q)).mean(0), z)
    marginal = np.trapezoid(q * (log_q + 0.5 * z**2 + 0.5 * np.log(2 * np.pi)), z)
    return information, marginal


def longdouble_log_q(z, mean, log_variance):
    z, mean, log_variance = (a.numpy().astype(np.longdouble) for a in (z, mean, log_variance))
    log_each = np.stack(
        [
            -0.5 * ((z_m - mean) ** 2 * np.exp(-log_variance) + log_variance).sum(1)
            - mean.shape[1] * np.log(2 * np.pi) / 2
            for z_m in z
        ]
    )  # (M, N)
    peak = log_each.max(1, keepdims=True)
    return (peak[:, 0] + np.log(np.exp(log_each - peak).mean(1))).astype(float)


@pytest.mark.parametrize("width", [0.03, 0.3, 2.0])
def test_both_terms_agree_with_quadrature_on_one_dimensional_mixtures(width):
    mean, log_variance = random_posteriors(12, latent=1, width=width)
    estimate = decompose(mean, log_variance, *draw(mean, log_variance, samples=60_000))
    information, marginal = quadrature(mean, log_variance)
    assert abs(estimate.mutual_information - information) < 4 * estimate.mutual_information_se
    assert abs(estimate.marginal_kl - marginal) < 4 * estimate.marginal_kl_se
    assert estimate.mutual_information == pytest.approx(information, abs=0.02)
    assert estimate.marginal_kl == pytest.approx(marginal, abs=0.03)


@pytest.mark.parametrize("width", [1.0, 1.5e-3, 1e-4])
def test_the_aggregate_of_narrow_posteriors_is_exact(width):
    # more samples and posteriors than fit a tile, and no multiple of it
    mean, log_variance = random_posteriors(1_500, width=width)
    _, z = draw(mean, log_variance)
    log_q = rate_terms.log_aggregate_posterior(z[:150], mean, log_variance).numpy()
    np.testing.assert_allclose(log_q, longdouble_log_q(z[:150], mean, log_variance), atol=1e-9)


@pytest.mark.parametrize("width", [1e-10, 1e-16, 1e-27])
def test_a_few_posteriors_narrower_than_rounding_spoil_nothing(width):
    mean, log_variance = random_posteriors(600, width=0.1)
    log_variance[::50, 0] = 2 * math.log(width)
    rows, z = draw(mean, log_variance)
    full = decompose(mean, log_variance, rows, z)
    batches = decompose_batches(z, mean, log_variance, 600, batch=200)
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
    error = 4 * math.hypot(full.mutual_information_se, full.marginal_kl_se)
    for terms in (full, batches):
        assert 0 < terms.mutual_information <= math.log(600) + 1e-9
        assert abs(terms.mutual_information + terms.marginal_kl - rate) < error


def test_an_encoder_that_ignores_its_input_tells_nothing():
    n, mu, log_variance = 700, 0.7, -1.0
    mean = torch.full((n, 10), mu, dtype=torch.float64)
    log_variances = torch.full_like(mean, log_variance)
    rows, z = draw(mean, log_variances)
    full = decompose(mean, log_variances, rows, z)
    batches = decompose_batches(z, mean, log_variances, n, batch=512)
    assert full.mutual_information == pytest.approx(0, abs=1e-12)
    assert batches.mutual_information == pytest.approx(0, abs=1e-12)
    rate = 5 * (mu**2 + math.exp(log_variance) - 1 - log_variance)
    assert abs(full.marginal_kl - rate) < 4 * full.marginal_kl_se


def test_far_apart_posteriors_tell_log_n_also_when_estimated_from_batches():
    n = 2_000
    mean = 100 * torch.arange(n, dtype=torch.float64)[:, None].expand(n, 2)
    log_variance = torch.zeros_like(mean)
    rows, z = draw(mean, log_variance)
    full = decompose(mean, log_variance, rows, z)
    batches = decompose_batches(z, mean, log_variance, n, batch=512)
    assert full.mutual_information == pytest.approx(math.log(n), abs=1e-9)
    assert batches.mutual_information == pytest.approx(math.log(n), abs=1e-9)


@pytest.mark.parametrize("width", [1.5e-3, 0.1, 1.0, 3.0])
def test_information_never_exceeds_log_n(width):
    mean, log_variance = random_posteriors(300, width=width)
    information = decompose(mean, log_variance, *draw(mean, log_variance)).mutual_information
    assert information <= math.log(300) + 1e-9


def test_terms_sum_to_the_sampled_rate_whatever_estimates_q():
    mean, log_variance = random_posteriors(1_024, width=0.5)
    rows, z = draw(mean, log_variance)
    posterior, prior = Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)
    sampled = (posterior.log_prob(z) - prior.log_prob(z)).sum(1)
    for estimate in (
        decompose(mean, log_variance, rows, z),
        decompose_batches(z, mean, log_variance, 1_024, batch=512),
    ):
        total = estimate.mutual_information + estimate.marginal_kl
        assert total == pytest.approx(sampled.mean().item(), abs=1e-10)
    analytic = standard.rate(mean, log_variance).mean()
    assert abs(sampled.mean() - analytic) < 4 * sampled.std() / 32


def test_a_batch_of_all_examples_is_the_full_sum():
    mean, log_variance = random_posteriors(100, width=0.5)
    rows, z = draw(mean, log_variance)
    batch = decompose_batches(z, mean, log_variance, 100, batch=512)
    full = decompose(mean, log_variance, rows, z)
    assert batch.mutual_information == pytest.approx(full.mutual_information, abs=1e-12)
    assert batch.marginal_kl == pytest.approx(full.marginal_kl, abs=1e-12)


def test_samples_left_over_after_the_last_whole_batch_are_not_used():
    mean, log_variance = random_posteriors(250, width=0.5)
    _, z = draw(mean, log_variance)
    assert decompose_batches(z, mean, log_variance, 250, 100) == (
        decompose_batches(z[:200], mean[:200], log_variance[:200], 250, 100)
    )


def test_standard_errors_cover_the_truth():
    mean, log_variance = random_posteriors(400, latent=2, width=0.5)
    truth = decompose(mean, log_variance, *draw(mean, log_variance, samples=25_000, seed=2))
    covered = np.zeros(2)
    for seed in range(400):
        estimate = decompose(
            mean, log_variance, *draw(mean, log_variance, samples=100, seed=seed + 3)
        )
        for i, name in enumerate(("mutual_information", "marginal_kl")):
            error = abs(getattr(estimate, name) - getattr(truth, name))
            covered[i] += error < 1.96 * getattr(estimate, f"{name}_se")
    # 95 % of 400 is 380; four standard deviations of that count are 17
    assert np.all((covered > 360) & (covered < 398))


def test_one_example_has_no_standard_error():
    mean, log_variance = random_posteriors(1)
    rows, z = draw(mean, log_variance)
    full = decompose(mean, log_variance, rows, z)
    batch = decompose_batches(z, mean, log_variance, 1, batch=512)
    assert full.mutual_information == pytest.approx(0, abs=1e-12)
    assert batch.mutual_information == pytest.approx(0, abs=1e-12)
    assert math.isnan(full.mutual_information_se)
