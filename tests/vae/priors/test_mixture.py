"""The mixture prior against SciPy, closed forms, and the standard prior."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from rdpipe.vae.densities import sampled_rate
from rdpipe.vae.models import VAE, sample
from rdpipe.vae.priors import standard

from ._models import model, shaken


def mixture(logits: list[float], mean: list[list[float]], log_variance: list[list[float]]) -> VAE:
    """A model with this mixture as its prior."""
    vae = model({"kind": "mixture", "components": len(mean)}, latent=len(mean[0]))
    values = {"logits": [logits], "mean": mean, "log_variance": log_variance}
    for name, value in values.items():
        vae.parameters[f"prior.{name}"].copy_(torch.tensor([value]))
    return vae


def test_densities_are_those_of_scipy() -> None:
    vae = shaken(model({"kind": "mixture", "components": 6}, latent=3, seeds=(0, 1)))
    z = 2 * torch.randn(2, 50, 3, dtype=torch.float64)
    ours = vae.log_prior()(z).numpy()
    for r in range(2):
        run = {name: p.numpy() for name, p in vae.run(r).items()}
        weight = run["prior.logits"][0] - logsumexp(run["prior.logits"])
        each = [
            w + multivariate_normal(m, np.diag(np.exp(v))).logpdf(z[r].numpy())
            for w, m, v in zip(weight, run["prior.mean"], run["prior.log_variance"], strict=True)
        ]
        np.testing.assert_allclose(ours[r], logsumexp(each, axis=0), rtol=1e-12)


def test_two_components_put_no_mass_off_their_diagonal() -> None:
    """A product over dimensions of one-dimensional mixtures would put half of it there."""
    vae = mixture([0.0, 0.0], [[2.0, 2.0], [-2.0, -2.0]], [[0.0, 0.0], [0.0, 0.0]])
    axis = torch.arange(-8, 8, 0.05, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    density = vae.log_prior()(grid[None])[0].exp() * 0.05**2
    off = density[grid.prod(1) < 0].sum().item()
    beyond = 0.5 * math.erfc(2 / math.sqrt(2))  # of a component, in one dimension
    assert density.sum().item() == pytest.approx(1, abs=1e-6)
    assert off == pytest.approx(2 * beyond * (1 - beyond), abs=0.003)  # 4.4 %


def test_one_component_has_the_closed_form_of_two_gaussians() -> None:
    prior_mean, prior_log_variance = [0.5, -1.0, 0.2], [0.3, -0.6, 0.1]
    vae = mixture([0.0], [prior_mean], [prior_log_variance])
    mean, log_variance = torch.tensor([[1.0, -0.5, 0.0], [-1.0, 0.8, -3.0]]).double()
    n = 40_000
    many = mean.expand(1, n, 3), log_variance.expand(1, n, 3)
    noise = torch.randn(1, n, 3, generator=torch.Generator().manual_seed(0)).double()
    rates = vae.rate(*many, sample(*many, noise))[0]
    p = torch.distributions.Normal(
        torch.tensor(prior_mean).double(), torch.tensor(prior_log_variance).double().div(2).exp()
    )
    q = torch.distributions.Normal(mean, log_variance.div(2).exp())
    truth = torch.distributions.kl_divergence(q, p).sum()
    error = rates.std() / math.sqrt(n)
    assert error < 0.02
    assert abs(rates.mean() - truth) < 4 * error


@pytest.mark.parametrize("components", [1, 7])
def test_a_mixture_that_is_standard_normal_gives_the_rate_of_the_standard_prior(
    components: int,
) -> None:
    zeros = components * [[0.0, 0.0]]
    vae = mixture(components * [0.3], zeros, zeros)
    n = 20_000
    mean, log_variance, noise = torch.randn(
        3, 1, n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    z = sample(mean, log_variance, noise)
    density = vae.log_prior()(z)
    torch.testing.assert_close(density, vae_standard(z), rtol=1e-12, atol=1e-12)
    off = sampled_rate(log_variance, density) - standard.rate(mean, log_variance)
    assert abs(off.mean()) < 4 * off.std() / math.sqrt(n)


def vae_standard(z: torch.Tensor) -> torch.Tensor:
    """The density of the standard prior."""
    return model({"kind": "standard"}).log_prior()(z)


def test_components_differ_before_training_and_together_resemble_the_standard_prior() -> None:
    vae = model({"kind": "mixture", "components": 500}, latent=10)
    mean, log_variance = vae.parameters["prior.mean"], vae.parameters["prior.log_variance"]
    assert (log_variance == 0).all() and (vae.parameters["prior.logits"] == 0).all()
    assert mean.mean().abs() < 0.1 and abs(mean.std() - 1) < 0.05
