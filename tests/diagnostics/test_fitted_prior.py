"""The rate under a fitted mixture, against quadrature and against what must hold for any prior."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from rdpipe.diagnostics import fitted_prior
from tests.evaluation import _runs


def two_clumps(n=3000, seed=0):
    """Codes in one dimension from a mixture of two Gaussians, float64 (N, 1)."""
    random = np.random.default_rng(seed)
    side = random.random(n) < 0.3
    return torch.from_numpy(
        np.where(side, random.normal(-3, 0.4, n), random.normal(2, 0.7, n))[:, None]
    )


def test_a_mixture_is_a_density_and_has_the_components_that_held_out_codes_choose():
    chosen, log_density = fitted_prior.fit(two_clumps(), [1, 2, 8], seed=0)
    assert chosen >= 2

    def density(z):
        return log_density(torch.tensor([[z]], dtype=torch.float64)).exp().item()

    assert quad(density, -12, 12, points=[-3, 2], limit=200)[0] == pytest.approx(1, abs=1e-6)
    truth = 0.3 * math.exp(-0.5 * 0) / (0.4 * math.sqrt(2 * math.pi))
    assert density(-3.0) == pytest.approx(truth, rel=0.1)


def test_the_rate_is_that_of_quadrature_in_one_dimension():
    """For an encoder with one posterior for all: KL of a Gaussian to the mixture."""
    mean, log_variance = 0.5, -1.0
    vae = _runs.as_vae(_runs.constant_model(6, 1, mean, log_variance), (2, 3, 1))
    parts = {"train": _runs.random_images(4000), "test": _runs.random_images(3000, seed=1)}
    measured = fitted_prior.measure(vae, parts, 1.0, seed=0, images=4000, components=[1], outer=500)
    # one Gaussian, fitted to 3,200 codes of N(0.5, e^-1): near the posterior itself, so R is near 0
    sigma = math.exp(log_variance / 2)
    own = 0.5 * (mean**2 + sigma**2 - log_variance - 1)
    for part in parts:
        values = measured[part]
        assert values["mixture_rate"] == pytest.approx(0, abs=0.05)
        assert values["mixture_saving"] == pytest.approx(own, abs=0.05)
        # q(z) is the posterior, too, so I = 0 and the marginal KL is the rate
        difference = values["mixture_marginal_kl"] - values["mixture_rate"]
        assert abs(difference) < 5 * math.hypot(
            values["mixture_marginal_kl_se"], values["mixture_rate_se"]
        )


def test_the_rate_of_a_given_mixture_is_that_of_quadrature(monkeypatch):
    """R = ∫ q(z|x) log q(z|x)/m(z) for a mixture that is far from the posterior."""
    codes = two_clumps()
    chosen, log_density = fitted_prior.fit(codes, [2], seed=1)
    monkeypatch.setattr(fitted_prior, "fit", lambda *_: (chosen, log_density))
    mean, log_variance = 0.5, -1.0
    vae = _runs.as_vae(_runs.constant_model(6, 1, mean, log_variance), (2, 3, 1))
    parts = {"train": _runs.random_images(20000), "test": _runs.random_images(20000, seed=1)}
    measured = fitted_prior.measure(
        vae, parts, 1.0, seed=0, images=20000, components=[2], outer=100
    )
    sigma = math.exp(log_variance / 2)

    def integrand(z):
        log_q = -0.5 * ((z - mean) / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi))
        log_m = log_density(torch.tensor([[z]], dtype=torch.float64)).item()
        return math.exp(log_q) * (log_q - log_m)

    truth, _ = quad(integrand, mean - 9 * sigma, mean + 9 * sigma, limit=200)
    for part in parts:
        error = measured[part]["mixture_rate_se"]
        assert error < 0.05
        assert abs(measured[part]["mixture_rate"] - truth) < 4 * error


def test_more_components_than_codes_are_left_out():
    chosen, _ = fitted_prior.fit(two_clumps(20), [1, 64], seed=0)
    assert chosen == 1
