"""The Bernoulli likelihood of intensities in [0, 1], as the paper uses it (Section 2, Equation 3).

The decoder returns logits l, and −log p(x|z) = Σ softplus(l) − l·x over pixels and channels, in
nats. Letters in shapes: R runs, B batch, P pixels times channels.
"""

import torch.nn.functional as F
from torch import Tensor


def nats(logits: Tensor, x: Tensor) -> Tensor:
    """−log p(x|z) of every pixel and channel, (…, P), from logits (…, P).

    Exact to the last digits, and differentiable. x: intensities of the same shape.
    """
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none")


def distortion(logits: Tensor, x: Tensor) -> Tensor:
    """D of each run, (R,) nats: −log p(x|z), its mean over the batch.

    logits: (R, B, P); x: intensities (R, B, P) or, shared by the runs, (1, B, P).
    """
    return nats(logits, x.expand_as(logits)).sum((1, 2)) / logits.shape[1]
