"""The flow prior against autograd's Jacobian, and by integration."""

import math

import pytest
import torch

from rdpipe.common.errors import RdpipeError
from rdpipe.vae.densities import log_standard_normal
from rdpipe.vae.priors import flow

from ._models import PRIORS, model, shaken

FLOW = PRIORS["flow"]


@pytest.mark.parametrize("latent", [2, 5])
def test_the_log_determinant_is_that_of_the_jacobian(latent: int) -> None:
    vae = shaken(model(FLOW, latent, seeds=(0, 1)))
    networks = flow.couplings(FLOW["layers"], vae, torch.float64)
    z = torch.randn(2, 6, latent, dtype=torch.float64)
    u, log_det = flow.to_normal(networks, z)

    def one(code: torch.Tensor, r: int) -> torch.Tensor:
        return flow.to_normal(networks, code.expand(2, 1, latent))[0][r, 0]

    for r in range(2):
        for i in range(6):
            jacobian = torch.autograd.functional.jacobian(lambda code, r=r: one(code, r), z[r, i])
            torch.testing.assert_close(log_det[r, i], jacobian.det().abs().log())
    assert (u - z).abs().max() > 0.1
    torch.testing.assert_close(vae.log_prior()(z), log_standard_normal(u) + log_det)


@pytest.mark.parametrize("size", [0.2, 0.4])
def test_the_density_integrates_to_one(size: float) -> None:
    vae = shaken(model(FLOW), size)
    step = 0.05
    axis = torch.arange(-20, 20, step, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    density = vae.log_prior()(grid[None])[0].exp()
    standard = log_standard_normal(grid).exp()
    assert (density - standard).abs().max() > 0.02  # it is another density
    assert density.sum().item() * step**2 == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("latent", [2, 3, 10])
def test_an_untrained_flow_is_the_standard_prior(latent: int) -> None:
    vae = model(FLOW, latent)
    z = 3 * torch.randn(1, 40, latent, dtype=torch.float64)
    torch.testing.assert_close(vae.log_prior()(z), log_standard_normal(z))
    out = [p for name, p in vae.parameters.items() if ".output." in name and "prior" in name]
    assert len(out) == 2 * FLOW["layers"] and not any(p.any() for p in out)


def test_scales_are_bounded_whatever_the_parameters() -> None:
    """So no density of codes grows without limit."""
    vae = shaken(model(FLOW, 2), 1e4)
    z = torch.randn(1, 100, 2, dtype=torch.float64)
    most = FLOW["layers"] * flow.BOUND + 0.5 * 2 * -math.log(2 * math.pi)
    assert (vae.log_prior()(z) <= most).all()


def test_every_dimension_is_changed() -> None:
    vae = shaken(model({**FLOW, "layers": 2}, 5))
    z = torch.zeros(1, 1, 5, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(vae.log_prior()(z).sum(), z)
    assert gradient.ne(0).all()


def test_a_flow_in_one_dimension_is_refused() -> None:
    with pytest.raises(RdpipeError, match=r"^a flow prior changes one half of the latent dimen"):
        model(FLOW, 1)
