"""A Gaussian likelihood of intensities, with one learned variance for all pixels of a run.

The decoder returns logits l. The mean of a pixel is σ(l), which like an intensity lies in [0, 1].
The values are those of a density: D may be negative. Letters in shapes: R runs, P pixels times
channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rdpipe.vae.likelihoods import Likelihood

if TYPE_CHECKING:
    from torch import Tensor

LOG_2PI = math.log(2 * math.pi)
LOG_VARIANCE = -3.0  # at first: a deviation of 0.22, about that of a pixel over many images


def nats(outputs: Tensor, x: Tensor, log_variance: Tensor) -> Tensor:
    """−log N(x; σ(l), v) of every pixel and channel, (R, …, P), from log v (R, 1, 1)."""
    squares = (outputs.sigmoid() - x).square()
    return 0.5 * (squares * (-log_variance).exp() + log_variance + LOG_2PI)


def log_density(outputs: Tensor, x: Tensor, log_variance: Tensor) -> Tensor:
    """Sum log p(x|z) over pixels and channels, in nats: float64 (…)."""
    import torch

    return -nats(outputs, x, log_variance).sum(-1, dtype=torch.float64)


def mean(outputs: Tensor) -> Tensor:
    """The pixels' means σ(l); it overwrites the outputs."""
    return outputs.sigmoid_()


LIKELIHOOD = Likelihood(nats, log_density, mean, {"likelihood.log_variance": LOG_VARIANCE})
