"""Models with each prior, which the tests of priors share."""

from typing import Any

import numpy as np
import torch

from rdpipe.vae import networks
from rdpipe.vae.models import VAE

SHAPE = (2, 3, 1)
PIXELS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (20, 6), np.uint8))
PRIORS: dict[str, dict[str, Any]] = {
    "standard": {"kind": "standard"},
    "mixture": {"kind": "mixture", "components": 6},
    "vamp": {"kind": "vamp", "components": 6},
    "flow": {"kind": "flow", "layers": 4, "width": 8},
}


def model(prior: dict[str, Any], latent: int = 2, seeds: tuple[int, ...] = (0,)) -> VAE:
    """Models before training, in float64."""
    arch = {"kind": "mlp", "layers": 1, "width": 8, "latent": latent, "prior": prior}
    network = networks.build(arch, SHAPE)
    return VAE.initial(network, seeds, PIXELS).to(dtype=torch.float64)


def shaken(vae: VAE, size: float = 0.5) -> VAE:
    """The models with noise on the parameters of their priors, as if they had been trained."""
    random = torch.Generator().manual_seed(1)
    for name in vae.network.prior.shapes:
        p = vae.parameters[name]
        p += size * torch.randn(p.shape, generator=random, dtype=p.dtype)
    return vae
