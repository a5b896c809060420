"""β-VAEs as functions of a dictionary of tensors (paper, Section 4.3).

Every tensor has a leading axis of runs, so that R models are trained or evaluated at once, without
mixing: weight (R, in, out), or PyTorch's shape of a convolution's after R, and bias (R, 1, out).
What layers hand on is (R, B, features); the features of an image come in the order (H, W, C).
Letters in shapes: R runs, B batch, P pixels times channels of a flattened image, D latent
dimensions.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rdpipe.vae import streams
from rdpipe.vae.networks import PADDING, STRIDE, Layer, Network


def initial_parameters(network: Network, seeds: Sequence[int]) -> dict[str, Tensor]:
    """Float32 parameters of one run per seed, a function of the seed alone.

    PyTorch's default: weights and biases uniform within ±1/√fan_in.

    Parameters
    ----------
    network
        See `networks.build`.
    seeds
        R seeds; equal seeds give equal parameters.
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
    return parameters


def encode(network: Network, parameters: Mapping[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of q(z|x), each (R, B, D).

    x: intensities in [0, 1], (R, B, P), or (1, B, P) for a batch that all runs share.
    """
    h = x
    for layer in network.encoder:
        h = F.relu(_apply(layer, parameters, h))
    heads = (network.mean.name, network.log_variance.name)
    weight = torch.cat([parameters[f"{name}.weight"] for name in heads], 2)
    bias = torch.cat([parameters[f"{name}.bias"] for name in heads], 2)
    mean, log_variance = torch.baddbmm(bias, h, weight).chunk(2, 2)  # one product reads h once
    return mean, log_variance


def decode(network: Network, parameters: Mapping[str, Tensor], z: Tensor) -> Tensor:
    """Logits (R, B, P) of the pixels' Bernoulli means, for z (R, B, D)."""
    h = z
    for layer in network.decoder:
        h = F.relu(_apply(layer, parameters, h))
    return _apply(network.output, parameters, h)


def _apply(layer: Layer, parameters: Mapping[str, Tensor], h: Tensor) -> Tensor:
    """One layer: (R, B, in), or (1, B, in) shared by the runs, -> (R, B, out).

    Convolutions take one run after another: 12 runs of three layers are then as fast as PyTorch's
    own modules (1.00), as one grouped convolution 0.90, as products with patches 0.49
    (benchmarks/convolutions.py on a CPU).
    """
    weight, bias = parameters[f"{layer.name}.weight"], parameters[f"{layer.name}.bias"]
    h = h.expand(len(weight), -1, -1)
    if layer.dense:
        return torch.baddbmm(bias, h, weight)
    runs = [_convolve(layer, *run) for run in zip(h, weight, bias[:, 0], strict=True)]
    return torch.stack(runs) if len(runs) > 1 else runs[0][None]  # a single one needs no copy


def _convolve(layer: Layer, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A convolution of one run: (B, in) -> (B, out)."""
    x = h.unflatten(1, layer.inputs).permute(0, 3, 1, 2)  # (B, C, H, W), in memory still (H, W, C)
    weight = weight.contiguous(memory_format=torch.channels_last)  # as x: gradients are faster
    if layer.grows:
        odd = [side % 2 for side in layer.outputs[:2]]
        x = F.conv_transpose2d(x, weight, bias, STRIDE, PADDING, output_padding=odd)
    else:
        x = F.conv2d(x, weight, bias, STRIDE, PADDING)
    return x.permute(0, 2, 3, 1).flatten(1)


class _BernoulliLoss(torch.autograd.Function):
    """Cross-entropy in few passes: its gradient sigmoid(logits) - x is made on the way forward."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        """Mean over B, sum over P: (R, B, P) and (R or 1, B, P) -> (R,)."""
        ctx.save_for_backward(torch.sigmoid(logits).sub_(x))
        # above 40 softplus(l) equals l also in float64; the default threshold of 20 is float32's
        loss = F.softplus(logits, threshold=40)
        return loss.addcmul_(logits, x, value=-1).sum((1, 2)) / logits.shape[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gradient of the logits; x gets none."""
        (difference,) = ctx.saved_tensors
        return difference.mul_((gradient / difference.shape[1])[:, None, None]), None


def distortion(logits: Tensor, x: Tensor) -> Tensor:
    """D of each run, (R,) nats: Bernoulli cross-entropy of intensities x in [0, 1].

    Summed over pixels and channels, mean over the batch. logits: (R, B, P); x: (R, B, P) or, shared
    by the runs, (1, B, P).
    """
    loss: Tensor = _BernoulliLoss.apply(logits, x)
    return loss


def sample(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Sample z ~ q(z|x) from standard normal noise; all (…, D)."""
    return mean + (log_variance / 2).exp() * noise


def rate(mean: Tensor, log_variance: Tensor) -> Tensor:
    """R of each example in nats: KL(q(z|x) ‖ N(0, 1)), exactly; (…, D) -> (…)."""
    return 0.5 * (mean.square() + log_variance.expm1() - log_variance).sum(-1)
