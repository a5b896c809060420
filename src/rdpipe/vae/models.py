"""β-VAEs whose tensors have a leading axis of runs (paper, Section 4.3).

R models are trained or evaluated at once, without mixing. Layers hand on (R, B, features); the
features of an image come in the order (H, W, C). Letters in shapes: R runs, B batch, P pixels times
channels of a flattened image, D latent dimensions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rdpipe.vae import streams
from rdpipe.vae.densities import sampled_rate
from rdpipe.vae.networks import Layer, Network


@dataclass(frozen=True)
class VAE:
    """R β-VAEs of one network.

    Attributes
    ----------
    network
        Its layers, prior and likelihood (see `networks.build`).
    parameters
        `<layer>.weight` (R, …) and `<layer>.bias` (R, 1, out) of each layer, then those of the
        prior and of the likelihood, all of one type and on one device.
    """

    network: Network
    parameters: Mapping[str, Tensor]

    @classmethod
    def initial(cls, network: Network, seeds: Sequence[int], pixels: Tensor | None = None) -> "VAE":
        """Models before training, float32 on the CPU: one for each of R seeds.

        Parameters of layers are PyTorch's default, uniform within ±1/√fan_in. All parameters are a
        function of the seed alone: equal seeds give equal parameters. `pixels` are the training
        examples, uint8 (N, P), from which some priors start.

        Raises
        ------
        RdpipeError
            If the prior starts from more examples than there are.
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
        prior = network.prior
        drawn = {
            seed: prior.initial(streams.generator(seed, streams.PRIOR), pixels)
            for seed in generators
        }
        for name in prior.shapes:
            parameters[name] = torch.stack([torch.from_numpy(drawn[seed][name]) for seed in seeds])
        for name, value in network.likelihood.parameters.items():
            parameters[name] = torch.full((len(seeds), 1, 1), value)
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
        """Outputs (R, B, P) from which the likelihood is computed, for z (R, B, D).

        They are logits of the pixels' means where the likelihood is Bernoulli.
        """
        h = z
        for layer in self.network.decoder:
            h = self.network.activation(self._apply(layer, h))
        return self._apply(self.network.output, h)

    def nats(self, outputs: Tensor, x: Tensor) -> Tensor:
        """−log p(x|z) of every pixel and channel, (R, B, P), from outputs of the decoder.

        x: intensities (R, B, P) or, shared by the runs, (1, B, P).
        """
        return self.network.likelihood.nats(outputs, x.expand_as(outputs), *self._own())

    def distortion(self, outputs: Tensor, x: Tensor) -> Tensor:
        """D of each run, (R,) nats: −log p(x|z), its mean over the batch.

        outputs: of the decoder, (R, B, P); x as in `nats`.
        """
        return self.nats(outputs, x).sum((1, 2)) / outputs.shape[1]

    def log_likelihood(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Log p(x|z) of one run in nats, float64 (…), from outputs (…, P), which it overwrites."""
        return self.network.likelihood.log_density(outputs, x, *self._own())

    def log_prior(self, dtype: torch.dtype | None = None) -> Callable[[Tensor], Tensor]:
        """Log p(z) in nats as a function of z, (R, B, D) -> (R, B), in a type or that of z."""
        return self.network.prior.log_density(self, dtype or self.dtype)

    def rate(self, mean: Tensor, log_variance: Tensor, z: Tensor) -> Tensor:
        """R of each example in nats: KL(q(z|x) ‖ p(z)); (R, B, D) each -> (R, B).

        Exact if the prior has a closed form, else estimated from one sample z of each posterior.
        """
        if self.network.prior.rate:
            return self.network.prior.rate(mean, log_variance)
        return sampled_rate(log_variance, self.log_prior()(z))

    def _own(self) -> list[Tensor]:
        """The likelihood's own parameters."""
        return [self.parameters[name] for name in self.network.likelihood.parameters]

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
