"""VampPrior: its density, and the pseudo-inputs that it starts from."""

import math

import pytest
import torch

from rdpipe.common.errors import RdpipeError
from rdpipe.vae.priors import vamp

from ._models import PIXELS, PRIORS, model, shaken

VAMP = PRIORS["vamp"]


def test_the_density_is_the_mean_of_the_posteriors_of_the_pseudo_inputs() -> None:
    vae = shaken(model(VAMP, seeds=(0, 1)))
    z = torch.randn(2, 9, 2, dtype=torch.float64)
    mean, log_variance = vae.encode(vamp.pseudo_inputs(vae))  # (R, K, D)
    each = torch.distributions.Normal(mean[:, None], (log_variance[:, None] / 2).exp())
    log_each = each.log_prob(z[:, :, None]).sum(-1)  # (R, B, K)
    torch.testing.assert_close(vae.log_prior()(z), log_each.logsumexp(-1) - math.log(6))


def test_pseudo_inputs_start_as_different_training_images() -> None:
    vae = model(VAMP)
    (inputs,) = vamp.pseudo_inputs(vae)
    x = PIXELS.double() / 255
    distance = (inputs[:, None] - x).abs().amax(-1)  # (K, N)
    nearest = distance.argmin(1)
    assert len(set(nearest.tolist())) == 6
    assert distance.min(1).values.max() < 6 * vamp.NOISE


def test_every_pixel_of_a_pseudo_input_can_move_and_stays_an_intensity() -> None:
    """Also those of black images, which a hard clamp would hold for ever."""
    vae = model(VAMP)
    inputs = vae.parameters["prior.inputs"].requires_grad_()
    (gradient,) = torch.autograd.grad(vae.log_prior()(torch.zeros(1, 4, 2).double()).sum(), inputs)
    assert gradient.ne(0).all()
    with torch.no_grad():
        inputs.mul_(1e3)
        moved = vamp.pseudo_inputs(vae)
    assert moved.min() >= 0 and moved.max() <= 1


def test_black_images_start_with_gradients() -> None:
    values = vamp.initial(3, torch_random(), torch.zeros(4, 6, dtype=torch.uint8))
    inputs = torch.from_numpy(values["prior.inputs"]).requires_grad_()
    u = (vamp.SLOPE * inputs).sigmoid()
    (gradient,) = torch.autograd.grad(u.sum(), inputs)
    assert u.max() < 0.06
    assert gradient.min() > 0.03  # of 1 in the middle


def torch_random():
    import numpy as np

    return np.random.default_rng(0)


def test_more_components_than_training_images_are_refused() -> None:
    with pytest.raises(RdpipeError, match=r"^a vamp prior of 21 components .* there are 20; give"):
        model({"kind": "vamp", "components": 21})
