"""β-VAEs as functions of a dictionary of tensors (paper, Section 4.3).

Every tensor has a leading axis of runs, so that R models are trained or evaluated at once, without
mixing: weight (R, in, out), bias (R, 1, out). Letters in shapes: R runs, B batch, P pixels times
channels of a flattened image, D latent dimensions.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rdpipe import streams


def _layers(arch: Mapping[str, Any], image_shape: Sequence[int]) -> Iterator[tuple[str, int, int]]:
    """Name, inputs and outputs of each layer, in the order in which weights are drawn."""
    pixels, width, latent = math.prod(image_shape), arch["width"], arch["latent"]
    for i in range(arch["layers"]):
        yield f"encoder.{i}", width if i else pixels, width
    yield "mean", width, latent
    yield "log_variance", width, latent
    for i in range(arch["layers"]):
        yield f"decoder.{i}", width if i else latent, width
    yield "output", width, pixels


def initial_parameters(
    arch: Mapping[str, Any], image_shape: Sequence[int], seeds: Sequence[int]
) -> dict[str, Tensor]:
    """Float32 parameters of one run per seed, a function of the seed alone.

    PyTorch's default for linear layers: weights and biases uniform within ±1/√inputs.

    Parameters
    ----------
    arch
        {"kind": "mlp", "layers": hidden layers of encoder and of decoder, "width", "latent"}.
    image_shape
        (H, W, C).
    seeds
        R seeds; equal seeds give equal parameters.
    """
    generators = {seed: streams.weights(seed) for seed in seeds}
    parameters = {}
    for name, inputs, outputs in _layers(arch, image_shape):
        for part, rows in (("weight", inputs), ("bias", 1)):
            draws = {
                seed: torch.from_numpy(generator.random((rows, outputs), dtype="float32"))
                for seed, generator in generators.items()
            }
            uniform = torch.stack([draws[seed] for seed in seeds])
            parameters[f"{name}.{part}"] = uniform.mul_(2).sub_(1).div_(math.sqrt(inputs))
    return parameters


def _dense(parameters: Mapping[str, Tensor], name: str, h: Tensor) -> Tensor:
    """One layer: (R, B, in), or (1, B, in) shared by the runs, -> (R, B, out)."""
    weight = parameters[f"{name}.weight"]
    return torch.baddbmm(parameters[f"{name}.bias"], h.expand(len(weight), -1, -1), weight)


def _hidden(parameters: Mapping[str, Tensor], part: str, h: Tensor) -> Tensor:
    """The hidden layers of "encoder" or "decoder", each with its ReLU."""
    i = 0
    while f"{part}.{i}.weight" in parameters:
        h = F.relu(_dense(parameters, f"{part}.{i}", h))
        i += 1
    return h


def encode(parameters: Mapping[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of q(z|x), each (R, B, D).

    x: intensities in [0, 1], (R, B, P), or (1, B, P) for a batch that all runs share.
    """
    h = _hidden(parameters, "encoder", x)
    return _dense(parameters, "mean", h), _dense(parameters, "log_variance", h)


def decode(parameters: Mapping[str, Tensor], z: Tensor) -> Tensor:
    """Logits (R, B, P) of the pixels' Bernoulli means, for z (R, B, D)."""
    return _dense(parameters, "output", _hidden(parameters, "decoder", z))


class _BernoulliLoss(torch.autograd.Function):
    """Cross-entropy in few passes: its gradient sigmoid(logits) - x is made on the way forward."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        """Mean over B, sum over P: (R, B, P) and (R or 1, B, P) -> (R,)."""
        ctx.save_for_backward(torch.sigmoid(logits).sub_(x))
        # above 40 softplus(l) equals l also in float64; the default threshold of 20 is float32's
        loss = F.softplus(logits, threshold=40).sum((1, 2))
        return (loss - torch.einsum("rbp,rbp->r", logits, x)) / logits.shape[1]

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
