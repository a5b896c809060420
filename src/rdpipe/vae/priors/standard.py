"""The standard normal prior of the paper (Section 2). Its rate has a closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rdpipe.vae.priors import Prior

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rdpipe.vae.models import VAE
    from rdpipe.vae.priors import LogDensity


def build(settings: Mapping[str, Any], latent: int, image_shape: Sequence[int]) -> Prior:
    """The prior N(0, 1), which has no settings and no parameters."""
    return Prior(log_density, rate)


def log_density(vae: VAE, dtype: torch.dtype) -> LogDensity:
    """Log N(z; 0, 1)."""
    from rdpipe.vae.densities import log_standard_normal

    return log_standard_normal


def rate(mean: Tensor, log_variance: Tensor) -> Tensor:
    """R of each example in nats: KL(q(z|x) ‖ N(0, 1)), exactly; (…, D) -> (…)."""
    return 0.5 * (mean.square() + log_variance.expm1() - log_variance).sum(-1)
