"""VampPrior: the mean of the posteriors of K learned pseudo-inputs (Tomczak and Welling, 2018).

The pseudo-inputs start as training images. They stay within [0, 1] through a smooth map of free
parameters. A hard clamp would have no gradient outside [0, 1]: a pixel that starts at 0, as most
pixels of dark images do, would leave the interval in one step of Adam and never come back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rdpipe.common.errors import RdpipeError
from rdpipe.vae.priors import Prior

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from rdpipe.vae.models import VAE
    from rdpipe.vae.priors import LogDensity

INPUTS = "prior.inputs"
NOISE = 0.01  # standard deviation, added to the images, as in the authors' code
RIM = 0.01  # the least distance of an initial pixel from 0 and 1, where the map is flat
SLOPE = 4.0  # of the logistic map: a parameter then moves a grey pixel by as much as itself


def build(settings: Mapping[str, Any], latent: int, image_shape: Sequence[int]) -> Prior:
    """The VampPrior with `components` pseudo-inputs."""
    k = settings["components"]
    return Prior(
        log_density, None, {INPUTS: (k, math.prod(image_shape))}, partial(initial, k), encoded=k,
        held=k * (latent + 4),
    )  # fmt: skip


def initial(k: int, random: np.random.Generator, pixels: Tensor | None) -> dict[str, np.ndarray]:
    """Parameters whose pseudo-inputs are K different training images with a little noise.

    Raises
    ------
    RdpipeError
        If there are fewer than K training images.
    """
    import numpy as np

    n = 0 if pixels is None else len(pixels)
    if pixels is None or n < k:
        raise RdpipeError(
            f"a vamp prior of {k} components starts from as many training images, and there are "
            f"{n}; give it fewer components, or the split more images."
        )
    rows = random.choice(n, k, replace=False)
    x = pixels[rows].cpu().numpy().astype(np.float32) / 255  # (K, P)
    x += NOISE * random.standard_normal(x.shape, np.float32)
    x = x.clip(RIM, 1 - RIM)
    return {INPUTS: (np.log(x / (1 - x)) / np.float32(SLOPE))}


def pseudo_inputs(vae: VAE) -> Tensor:
    """Intensities of the pseudo-inputs, (R, K, P)."""
    return (SLOPE * vae.parameters[INPUTS]).sigmoid()


def log_density(vae: VAE, dtype: torch.dtype) -> LogDensity:
    """Log 1/K Σ_k q(z|u_k), the posteriors being those of the run's own encoder."""
    from rdpipe.vae.densities import log_mixture

    mean, log_variance = (part.to(dtype) for part in vae.encode(pseudo_inputs(vae)))
    return log_mixture(-math.log(mean.shape[1]), mean, log_variance)
