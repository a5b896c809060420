"""β-VAEs whose tensors have a leading axis of runs (paper, Section 4.3).

R models are trained or evaluated at once, without mixing. Layers hand on (R, B, features); the
features of an image come in the order (H, W, C). Letters in shapes: R runs, B batch, P pixels times
channels of a flattened image, D latent dimensions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rdpipe.vae import streams
from rdpipe.vae.networks import Layer, Network


@dataclass(frozen=True)
class VAE:
    """R β-VAEs of one network.

    Attributes
    ----------
    network
        Its layers (see `networks.build`).
    parameters
        `<layer>.weight` (R, …) and `<layer>.bias` (R, 1, out) of each layer, all of one type and on
        one device.
    """

    network: Network
    parameters: Mapping[str, Tensor]

    @classmethod
    def initial(cls, network: Network, seeds: Sequence[int]) -> "VAE":
        """Models before training, float32 on the CPU: one for each of R seeds.

        Parameters are PyTorch's default, uniform within ±1/√fan_in, and a function of the seed
        alone: equal seeds give equal parameters.
        """
        generators = {seed: streams.weights(seed) for seed in seeds}
        parameters = {}
        for layer in network.layers():
            for part, shape in (("weight", layer.weight), ("bias", layer.bias)):
                draws = {
                    seed: torch.from_numpy(generator.random(shape, dtype="float32"))
                    for seed, generator in generators.items()
                }
                uniform = torch.stack([draws[seed] for seed in seeds])
                uniform = uniform.mul_(2).sub_(1).div_(math.sqrt(layer.fan_in))
                parameters[f"{layer.name}.{part}"] = uniform
        return cls(network, parameters)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return next(iter(self.parameters.values())).dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(iter(self.parameters.values())).device

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "VAE":
        """The same models elsewhere, or of another type."""
        moved = {name: p.to(device=device, dtype=dtype) for name, p in self.parameters.items()}
        return replace(self, parameters=moved)

    def run(self, i: int) -> dict[str, Tensor]:
        """Copies of the parameters of run i, without the axis of runs, on the CPU."""
        return {name: p[i].detach().cpu().clone() for name, p in self.parameters.items()}

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (R, B, D).

        x: intensities in [0, 1], (R, B, P), or (1, B, P) for a batch that all runs share.
        """
        h = x
        for layer in self.network.encoder:
            h = self.network.activation(self._apply(layer, h))
        heads = (self.network.mean.name, self.network.log_variance.name)
        weight = torch.cat([self.parameters[f"{name}.weight"] for name in heads], 2)
        bias = torch.cat([self.parameters[f"{name}.bias"] for name in heads], 2)
        mean, log_variance = torch.baddbmm(bias, h, weight).chunk(2, 2)  # one product reads h once
        return mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """Logits (R, B, P) of the pixels' Bernoulli means, for z (R, B, D)."""
        h = z
        for layer in self.network.decoder:
            h = self.network.activation(self._apply(layer, h))
        return self._apply(self.network.output, h)

    def _apply(self, layer: Layer, h: Tensor) -> Tensor:
        """One layer: (R, B, in), or (1, B, in) shared by the runs, -> (R, B, out)."""
        weight = self.parameters[f"{layer.name}.weight"]
        bias = self.parameters[f"{layer.name}.bias"]
        return layer.apply(h.expand(len(weight), -1, -1), weight, bias)


def intensities(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Intensities in [0, 1] of pixels, uint8 of any shape, on the pixels' device."""
    return pixels.to(dtype).div_(255)


def sample(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Sample z ~ q(z|x) from standard normal noise; all (…, D)."""
    return mean + (log_variance / 2).exp() * noise


def rate(mean: Tensor, log_variance: Tensor) -> Tensor:
    """R of each example in nats: KL(q(z|x) ‖ N(0, 1)), exactly; (…, D) -> (…)."""
    return 0.5 * (mean.square() + log_variance.expm1() - log_variance).sum(-1)
