"""The Bernoulli likelihood of intensities in [0, 1], as the paper uses it (Section 2, Equation 3).

The decoder returns logits l, and −log p(x|z) = Σ softplus(l) − l·x over pixels and channels, in
nats. Letters in shapes: P pixels times channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rdpipe.vae.likelihoods import Likelihood

if TYPE_CHECKING:
    from torch import Tensor

FACTORS = 96  # factors between 1/2 and 1 whose product is a normal number of float32
TERMS = 8  # terms that are added up in the type of the logits; the rest of a sum is float64


def nats(logits: Tensor, x: Tensor) -> Tensor:
    """−log p(x|z) of every pixel and channel, (…, P), from logits (…, P).

    Exact to the last digits, and differentiable. x: intensities of the same shape.
    """
    import torch.nn.functional as F

    return F.binary_cross_entropy_with_logits(logits, x, reduction="none")


def log_density(logits: Tensor, x: Tensor) -> Tensor:
    """Sum log p(x|z) over pixels and channels, in nats; it overwrites the logits.

    logits (…, P), intensities x (…, P) -> float64 (…). The term of a logit l is

        log p = log σ(|l|) − (max(l, 0) − l·x),

    in which nothing overflows. One logarithm of a product replaces up to 96 logarithms of σ(|l|).
    In float32 a rounded σ changes a term by at most 1.2e-7 nats.
    """
    import torch

    factors, terms = (math.gcd(logits.shape[-1], n) for n in (FACTORS, TERMS))
    missed = logits.relu().addcmul_(logits, x, value=-1).unflatten(-1, (terms, -1)).sum(-2)
    likely = logits.abs_().sigmoid_().unflatten(-1, (factors, -1)).prod(-2).log_()
    return likely.sum(-1, dtype=torch.float64) - missed.sum(-1, dtype=torch.float64)


def mean(logits: Tensor) -> Tensor:
    """The pixels' means σ(l); it overwrites the logits."""
    return logits.sigmoid_()


LIKELIHOOD = Likelihood(nats, log_density, mean, bounded=True)
