"""A prior that is a normalising flow: RealNVP from z to u ~ N(0, 1) (Dinh et al., 2017).

Each coupling layer reads one half of the dimensions and scales and shifts the other half; the
halves change roles from layer to layer. Log-scales are bounded by a tanh: without a bound, the
density of a few codes can grow without limit, and the rate becomes negative. The last layer of each
small network starts at zero, so an untrained flow is the standard normal prior.

Letters in shapes: R runs, B batch, D latent dimensions.
"""

from __future__ import annotations

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

BOUND = 2.0  # of a layer's log-scales


def build(settings: Mapping[str, Any], latent: int, image_shape: Sequence[int]) -> Prior:
    """A flow of `layers` coupling layers, each with a hidden layer of `width` units.

    Raises
    ------
    RdpipeError
        In one dimension, of which there are no halves.
    """
    if latent < 2:
        raise RdpipeError(
            "a flow prior changes one half of the latent dimensions at a time, and there is one; "
            "give `latent` 2 or more, or take a mixture prior."
        )
    layers, width = settings["layers"], settings["width"]
    shapes: dict[str, tuple[int, ...]] = {}
    for i in range(layers):
        read, changed = halves(latent)[i % 2], halves(latent)[1 - i % 2]
        shapes[f"prior.{i}.hidden.weight"] = read, width
        shapes[f"prior.{i}.hidden.bias"] = 1, width
        shapes[f"prior.{i}.output.weight"] = width, 2 * changed
        shapes[f"prior.{i}.output.bias"] = 1, 2 * changed
    held = layers * (2 * width + 6 * latent)
    return Prior(partial(log_density, layers), None, shapes, partial(initial, shapes), held=held)


def initial(
    shapes: Mapping[str, tuple[int, ...]], random: np.random.Generator, pixels: Tensor | None
) -> dict[str, np.ndarray]:
    """PyTorch's default for hidden layers, uniform within ±1/√fan_in, and zero for the others."""
    import numpy as np

    values, fan_in = {}, 1
    for name, shape in shapes.items():
        values[name] = np.zeros(shape, np.float32)
        if ".hidden." in name:
            fan_in = shape[0] if name.endswith("weight") else fan_in
            values[name] = (2 * random.random(shape, np.float32) - 1) / np.float32(fan_in**0.5)
    return values


def log_density(layers: int, vae: VAE, dtype: torch.dtype) -> LogDensity:
    """Log N(u(z); 0, 1) + log |det ∂u/∂z|."""
    from rdpipe.vae.densities import log_standard_normal

    networks = couplings(layers, vae, dtype)

    def of(z: Tensor) -> Tensor:
        u, log_det = to_normal(networks, z)
        return log_standard_normal(u) + log_det

    return of


def couplings(layers: int, vae: VAE, dtype: torch.dtype) -> list[list[Tensor]]:
    """The weights and biases of each coupling layer's network, R runs each."""
    parts = ("hidden.weight", "hidden.bias", "output.weight", "output.bias")
    return [
        [vae.parameters[f"prior.{i}.{part}"].to(dtype) for part in parts] for i in range(layers)
    ]


def to_normal(networks: Sequence[Sequence[Tensor]], z: Tensor) -> tuple[Tensor, Tensor]:
    """U (R, B, D) and log |det ∂u/∂z| (R, B) of codes z (R, B, D)."""
    import torch

    u, log_det = list(z.split(halves(z.shape[-1]), -1)), z.new_zeros(z.shape[:-1])
    for i, (weight, bias, out_weight, out_bias) in enumerate(networks):
        read, changed = i % 2, 1 - i % 2
        h = torch.baddbmm(bias, u[read], weight).relu()  # (R, B, width)
        raw, shift = torch.baddbmm(out_bias, h, out_weight).chunk(2, -1)
        log_scale = BOUND * (raw / BOUND).tanh()
        u[changed] = torch.addcmul(shift, u[changed], log_scale.exp())
        log_det = log_det + log_scale.sum(-1)
    return torch.cat(u, -1), log_det


def halves(latent: int) -> tuple[int, int]:
    """The sizes of both halves. The second has one dimension more where D is odd."""
    return latent // 2, latent - latent // 2
