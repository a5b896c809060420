"""The continuous Bernoulli likelihood against exact arithmetic and quadrature."""

import decimal
from decimal import Decimal

import numpy as np
import pytest
import torch

from rdpipe.common.errors import RdpipeError
from rdpipe.vae.likelihoods import continuous_bernoulli

NATURAL = [0.0, 1e-12, 1e-6, 1e-3, 0.02, 0.1, 0.3, 0.499, 0.5, 0.501, 1.0, 3.0, 20.0, 80.0, 1e4]
NATURAL = [sign * value for value in NATURAL for sign in (1, -1)]


def exact(natural: float, x: float) -> tuple[float, float]:
    """−log p(x) and the mean in 60 digits."""
    with decimal.localcontext() as context:
        context.prec = 60
        context.Emax = decimal.MAX_EMAX
        context.Emin = decimal.MIN_EMIN
        own, value = Decimal(natural), Decimal(x)
        if own == 0:
            return 0.0, 0.5
        normaliser = (own.exp() - 1) / own
        mean = 1 / (1 - (-own).exp()) - 1 / own
        return float(normaliser.ln() - own * value), float(mean)


@pytest.mark.parametrize(("dtype", "digits"), [(torch.float32, 2e-7), (torch.float64, 4e-16)])
@pytest.mark.parametrize("x", [0.0, 0.25, 0.5, 1.0])
def test_values_are_exact_to_the_last_digits_also_near_one_half(
    dtype: torch.dtype, digits: float, x: float
) -> None:
    natural = torch.tensor(NATURAL, dtype=dtype)
    expected = np.array([exact(value, x) for value in natural.tolist()])
    nats = continuous_bernoulli.nats(natural, torch.full_like(natural, x)).double().numpy()
    # the terms are of the size of the parameter
    scale = np.maximum(np.minimum(np.abs(natural.numpy()), 1), np.abs(natural.numpy() * x))
    scale = np.maximum(scale, np.abs(expected[:, 0]))
    assert np.all(np.abs(nats - expected[:, 0]) <= 4 * digits * scale)
    mean = continuous_bernoulli.mean(natural.clone()).double().numpy()
    np.testing.assert_allclose(mean, expected[:, 1], atol=4 * digits)


@pytest.mark.parametrize("natural", [-30.0, -2.0, 0.0, 1e-3, 0.7, 12.0])
def test_the_density_integrates_to_one_and_has_its_mean(natural: float) -> None:
    x = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    parameters = torch.full_like(x, natural)
    density = (-continuous_bernoulli.nats(parameters, x)).exp().numpy()
    assert np.trapezoid(density, x) == pytest.approx(1, rel=1e-6)
    mean = continuous_bernoulli.mean(parameters)[0].item()
    assert np.trapezoid(density * x.numpy(), x) == pytest.approx(mean, rel=1e-6)


def test_gradients_are_those_of_the_mean_and_finite_everywhere() -> None:
    natural = torch.tensor(NATURAL, dtype=torch.float64).requires_grad_()
    nats = continuous_bernoulli.nats(natural, torch.full_like(natural, 0.3))
    (gradient,) = torch.autograd.grad(nats.sum(), natural)
    expected = continuous_bernoulli.mean(natural.detach()) - 0.3
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)


def test_sums_are_those_of_the_pixels() -> None:
    natural, x = torch.randn(5, 7, 48), torch.rand(5, 1, 48)
    total = continuous_bernoulli.log_density(natural.clone(), x)
    assert total.dtype == torch.float64
    expected = -continuous_bernoulli.nats(natural.double(), x.double()).sum(-1)
    torch.testing.assert_close(total, expected, rtol=1e-6, atol=1e-5)


def test_images_of_black_and_white_alone_are_refused() -> None:
    pixels = torch.tensor([[0, 255, 0], [255, 255, 0]], dtype=torch.uint8)
    with pytest.raises(RdpipeError, match="training images have intensities of 0 and 1 alone"):
        continuous_bernoulli.check(pixels)
    pixels[0, 0] = 1
    continuous_bernoulli.check(pixels)
