"""What holds for every prior: initial values, packing, gradients, narrow posteriors."""

import math
from typing import Any

import pytest
import torch

from rdpipe.vae.models import VAE, sample

from ._models import PIXELS, PRIORS, model, shaken

EVERY = pytest.mark.parametrize("prior", PRIORS.values(), ids=list(PRIORS))


@EVERY
def test_initial_values_depend_on_the_seed_alone_and_the_networks_not_on_the_prior(
    prior: dict[str, Any],
) -> None:
    packed, alone = model(prior, seeds=(5, 0, 5)), model(prior, seeds=(5,))
    for name, p in packed.parameters.items():
        assert torch.equal(p[:1], alone.parameters[name]) and torch.equal(p[0], p[2])
    for name, p in model(PRIORS["standard"], seeds=(5,)).parameters.items():
        assert torch.equal(p, alone.parameters[name])
    shapes = packed.network.prior.shapes
    assert {name for name in packed.parameters if name.startswith("prior.")} == set(shapes)
    assert all(packed.parameters[name].shape[1:] == shape for name, shape in shapes.items())


@EVERY
def test_the_density_of_a_pack_is_that_of_its_runs(prior: dict[str, Any]) -> None:
    vae = shaken(model(prior, seeds=(0, 1, 2)))
    z = torch.randn(3, 7, 2, dtype=torch.float64)
    packed = vae.log_prior()(z)
    for r in range(3):
        run = VAE(vae.network, {name: p[r : r + 1] for name, p in vae.parameters.items()})
        torch.testing.assert_close(run.log_prior()(z[r : r + 1]), packed[r : r + 1])


@EVERY
def test_densities_integrate_to_one(prior: dict[str, Any]) -> None:
    vae = shaken(model(prior), 0.3)
    axis = torch.arange(-12, 12, 0.05, dtype=torch.float64)
    density = vae.log_prior()(torch.cartesian_prod(axis, axis)[None]).exp()
    assert density.sum().item() * 0.05**2 == pytest.approx(1, abs=2e-3)


@EVERY
def test_float32_knows_the_rate_of_narrow_posteriors(prior: dict[str, Any]) -> None:
    """At β = 0.001 posteriors are 0.0015 wide; nothing clamps their variance."""
    vae = shaken(model(prior, latent=10 if prior["kind"] != "vamp" else 2))
    latent = vae.network.latent
    random = torch.Generator().manual_seed(0)
    mean, spread, noise = torch.randn(3, 1, 200, latent, generator=random).double()
    log_variance = 2 * math.log(1.5e-3) + 0.3 * spread
    exact = vae.rate(mean, log_variance, sample(mean, log_variance, noise))
    single = vae.to(dtype=torch.float32)
    narrow = [part.float() for part in (mean, log_variance)]
    rates = single.rate(*narrow, sample(*narrow, noise.float()))
    torch.testing.assert_close(rates.double(), exact, rtol=1e-4, atol=1e-4)
    assert exact.mean() > 4 * latent  # so narrow that the entropy is most of the rate


@EVERY
def test_parameters_of_the_prior_are_learned(prior: dict[str, Any]) -> None:
    vae = shaken(model(prior, seeds=(0, 1)), 0.1)
    parameters = [vae.parameters[name].requires_grad_() for name in vae.network.prior.shapes]
    mean, log_variance = vae.encode(PIXELS[None, :8].double() / 255)
    rates = vae.rate(mean, log_variance, sample(mean, log_variance, torch.ones_like(mean)))
    assert rates.shape == (2, 8)
    if parameters:
        for gradient in torch.autograd.grad(rates.sum(), parameters):
            assert gradient.isfinite().all() and gradient.any()
