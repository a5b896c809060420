"""The continuous Bernoulli likelihood, a density on [0, 1] (Loaiza-Ganem and Cunningham, 2019).

The decoder returns natural parameters l, and

    −log p(x|z) = A(l) − l·x,  A(l) = log ∫₀¹ e^{lx} dx = log((e^l − 1)/l),

in nats for each pixel and channel. It is the Bernoulli's with the missing normaliser. Near l = 0
(λ = σ(l) = ½) the fraction is 0/0. There A(l) = l/2 + log(sinh h/h) with h = l/2, and the logarithm
has a series in h². Elsewhere A(l) = max(l, 0) + log((1 − e^{−|l|})/|l|), in which nothing overflows
or cancels.

The values are those of a density: D may be negative. An intensity of exactly 0 or 1 gains without
limit as l grows, though only as log |l|.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdpipe.common.errors import RdpipeError
from rdpipe.vae.likelihoods import Likelihood

if TYPE_CHECKING:
    from torch import Tensor

NEAR = 0.5  # |l| below which the series are used; the first terms left out are then below 1e-14
# of log(sinh h/h) in powers h², h⁴, …
SERIES = (1 / 6, -1 / 180, 1 / 2835, -1 / 37800, 1 / 467775, -691 / 3831077250)
# of its derivative by l, in powers l, l³, …
MEAN_SERIES = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000)


def nats(outputs: Tensor, x: Tensor) -> Tensor:
    """−log p(x|z) of every pixel and channel, (…, P), from natural parameters (…, P).

    Exact to the last digits, also near ½, and differentiable. x: intensities of the same shape.
    """
    import torch

    near, small, large = _apart(outputs)
    h_square = (small / 2).square()
    around = small * (0.5 - x) + h_square * _polynomial(SERIES, h_square)
    away = large.abs()
    beyond = large.relu() - large * x + (-(-away).expm1() / away).log()
    return torch.where(near, around, beyond)


def log_density(outputs: Tensor, x: Tensor) -> Tensor:
    """Sum log p(x|z) over pixels and channels, in nats: float64 (…)."""
    import torch

    return -nats(outputs, x).sum(-1, dtype=torch.float64)


def mean(outputs: Tensor) -> Tensor:
    """The pixels' means A'(l). They are not λ = σ(l)."""
    import torch

    near, small, large = _apart(outputs)
    around = 0.5 + small * _polynomial(MEAN_SERIES, small.square())
    away = large.abs()
    above = -1 / (-away).expm1() - 1 / away
    return torch.where(near, around, torch.where(large > 0, above, 1 - above))


def check(pixels: Tensor) -> None:
    """Refuse images of black and white alone: their density has no upper bound.

    pixels: uint8 (N, P).
    """
    if not ((pixels > 0) & (pixels < 255)).any():
        raise RdpipeError(
            "the training images have intensities of 0 and 1 alone, of which a "
            "continuous_bernoulli density has no maximum; take the bernoulli likelihood."
        )


def _apart(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where outputs are near 0; the outputs there, else 0; and the outputs elsewhere, else 1.

    With these stand-ins neither branch of a `where` makes values or gradients that are not finite.
    """
    import torch

    near = outputs.abs() < NEAR
    return near, torch.where(near, outputs, 0), torch.where(near, 1, outputs)


def _polynomial(coefficients: tuple[float, ...], t: Tensor) -> Tensor:
    """Σ c_i t^i by Horner's rule."""
    *rest, last = coefficients
    total = last * t + rest[-1]
    for coefficient in rest[-2::-1]:
        total = total * t + coefficient
    return total


LIKELIHOOD = Likelihood(nats, log_density, mean, check=check)
