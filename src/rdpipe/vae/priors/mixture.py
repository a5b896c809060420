"""A prior that is a mixture of K diagonal Gaussians: weights, means and variances are learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rdpipe.vae.priors import Prior

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from rdpipe.vae.models import VAE
    from rdpipe.vae.priors import LogDensity

LOGITS, MEAN, LOG_VARIANCE = "prior.logits", "prior.mean", "prior.log_variance"


def build(settings: Mapping[str, Any], latent: int, image_shape: Sequence[int]) -> Prior:
    """A mixture of `components` Gaussians."""
    k = settings["components"]
    shapes = {LOGITS: (1, k), MEAN: (k, latent), LOG_VARIANCE: (k, latent)}
    return Prior(log_density, None, shapes, partial(initial, k, latent), held=k * (latent + 4))


def initial(
    k: int, latent: int, random: np.random.Generator, pixels: Tensor | None
) -> dict[str, np.ndarray]:
    """Equal weights, variances of 1, and means drawn from N(0, 1), so that components differ."""
    import numpy as np

    return {
        LOGITS: np.zeros((1, k), np.float32),
        MEAN: random.standard_normal((k, latent), np.float32),
        LOG_VARIANCE: np.zeros((k, latent), np.float32),
    }


def log_density(vae: VAE, dtype: torch.dtype) -> LogDensity:
    """Log Σ_k w_k N(z; m_k, v_k), the weights being the softmax of the logits."""
    from rdpipe.vae.densities import log_mixture

    logits, mean, log_variance = (
        vae.parameters[name].to(dtype) for name in (LOGITS, MEAN, LOG_VARIANCE)
    )
    return log_mixture(logits.log_softmax(-1), mean, log_variance)
