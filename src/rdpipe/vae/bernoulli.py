"""The Bernoulli likelihood of intensities in [0, 1], as the paper uses it (Section 2, Equation 3).

The decoder returns logits l, and −log p(x|z) = Σ softplus(l) − l·x over pixels and channels, in
nats. Letters in shapes: R runs, B batch, P pixels times channels.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def nats(logits: Tensor, x: Tensor) -> Tensor:
    """−log p(x|z) of every pixel and channel, for logits and intensities (…, P)."""
    # above 40 softplus(l) equals l also in float64; the default threshold of 20 is float32's
    return F.softplus(logits, threshold=40).addcmul_(logits, x, value=-1)


class _Distortion(torch.autograd.Function):
    """D with its gradient sigmoid(logits) − x computed on the way forward, in fewer passes."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        """Mean over B, sum over P: (R, B, P) and (R or 1, B, P) -> (R,)."""
        ctx.save_for_backward(torch.sigmoid(logits).sub_(x))
        return nats(logits, x).sum((1, 2)) / logits.shape[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gradient of the logits; x gets none."""
        (difference,) = ctx.saved_tensors
        return difference.mul_((gradient / difference.shape[1])[:, None, None]), None


def distortion(logits: Tensor, x: Tensor) -> Tensor:
    """D of each run, (R,) nats: the mean over the batch of −log p(x|z).

    logits: (R, B, P); x: intensities (R, B, P) or, shared by the runs, (1, B, P).
    """
    loss: Tensor = _Distortion.apply(logits, x)
    return loss
