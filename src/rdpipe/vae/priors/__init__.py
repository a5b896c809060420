"""Priors p(z) of VAEs: what a prior is. Each is a module of this package, found by its name.

The module of a prior has one function, `build(settings, latent, image_shape)`, which returns a
`Prior`. Adding a prior takes its module, and its settings in `rdpipe.study.settings.archs`. Modules
import PyTorch only where they compute, so that a study can be counted without it.

Letters in shapes: R runs, B batch, N examples, P pixels times channels, D latent dimensions, K
components.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from rdpipe.vae.models import VAE

    LogDensity = Callable[[Tensor], Tensor]
    """log p(z) of R runs in nats: (R, B, D) -> (R, B)."""


def _no_parameters(random: np.random.Generator, pixels: Tensor | None) -> dict[str, np.ndarray]:
    """The initial values of a prior without parameters."""
    return {}


@dataclass(frozen=True)
class Prior:
    """A prior.

    Attributes
    ----------
    log_density
        Returns the log-density of the priors of R models as a function of z. What does not depend
        on z is computed before. Parameters are converted to the given type first.
    rate
        KL(q(z|x) ‖ p(z)) in nats from means and log-variances, (R, B, D) each -> (R, B); None if
        the rate has no closed form.
    shapes
        Shape of each parameter of one run, by name. Names begin with `prior.`.
    initial
        Draws the parameters of one run, float32 by name, from a generator and the training
        examples, uint8 (N, P).
    encoded
        Number of inputs that the encoder reads for the prior in each step.
    held
        Number of intermediate values that a step keeps for each z.
    """

    log_density: Callable[[VAE, torch.dtype], LogDensity]
    rate: Callable[[Tensor, Tensor], Tensor] | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    initial: Callable[[np.random.Generator, Tensor | None], Mapping[str, np.ndarray]] = (
        _no_parameters
    )
    encoded: int = 0
    held: int = 0


def build(settings: Mapping[str, Any], latent: int, image_shape: Sequence[int]) -> Prior:
    """The prior with these settings, in `latent` dimensions, for images of a shape (H, W, C).

    `settings` has the `kind` and what the kind needs.

    Raises
    ------
    RdpipeError
        If the kind has no prior in so few dimensions.
    """
    prior: Prior = import_module(f"{__name__}.{settings['kind']}").build(
        settings, latent, image_shape
    )
    return prior
