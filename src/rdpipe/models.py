"""β-VAEs as functions of a dictionary of tensors (paper, Section 4.3).

Every tensor has a leading axis of runs, so that R models are trained or evaluated at once, without
mixing: weight (R, in, out), or PyTorch's shape of a convolution's after R, and bias (R, 1, out).
What layers hand on is (R, B, features); the features of an image come in the order (H, W, C).
Letters in shapes: R runs, B batch, P pixels times channels of a flattened image, D latent
dimensions.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rdpipe import streams
from rdpipe.errors import RdpipeError

KERNEL, STRIDE, PADDING = 4, 2, 1  # of every convolution: each halves an image, or doubles it


@dataclass(frozen=True)
class Layer:
    """What leads from one shape to another: (features,) or, of an image, (H, W, C).

    From image to image it is a convolution, transposed where the image grows; else it is dense.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def dense(self) -> bool:
        """Whether all outputs see all inputs."""
        return len(self.inputs) == 1 or len(self.outputs) == 1

    @property
    def grows(self) -> bool:
        """Whether the outputs are more than the inputs along an image's sides."""
        return self.outputs[0] > self.inputs[0]

    @property
    def weight(self) -> tuple[int, ...]:
        """Shape of one run's weight."""
        if self.dense:
            return math.prod(self.inputs), math.prod(self.outputs)
        inputs, outputs = self.inputs[-1], self.outputs[-1]
        return (*((inputs, outputs) if self.grows else (outputs, inputs)), KERNEL, KERNEL)

    @property
    def bias(self) -> tuple[int, int]:
        """Shape of one run's bias."""
        return 1, math.prod(self.outputs) if self.dense else self.outputs[-1]

    @property
    def fan_in(self) -> int:
        """Inputs of a unit as PyTorch counts them: of a transposed convolution, its outputs."""
        return self.weight[0] if self.dense else math.prod(self.weight[1:])


@dataclass(frozen=True)
class Network:
    """The layers of a VAE; those of `encoder` and of `decoder` are followed by a ReLU."""

    image_shape: tuple[int, int, int]
    latent: int
    encoder: tuple[Layer, ...]
    mean: Layer
    log_variance: Layer
    decoder: tuple[Layer, ...]
    output: Layer

    def layers(self) -> Iterator[Layer]:
        """All of them, in the order in which weights are drawn."""
        yield from (*self.encoder, self.mean, self.log_variance, *self.decoder, self.output)


def build(arch: Mapping[str, Any], image_shape: Sequence[int]) -> Network:
    """The network of an architecture for images of one shape; its decoder mirrors its encoder.

    Parameters
    ----------
    arch
        {"kind": "mlp", "layers": k, "width", "latent"}: k layers of `width` units; or
        {"kind": "cnn", "layers": k, "channels", "dense", "latent"}: k convolutions (kernel 4,
        stride 2, padding 1) to `channels` feature maps each and, if not 0, `dense` units.
    image_shape
        (H, W, C); an odd side of n pixels becomes (n - 1)/2, and n again on the way up.

    Raises
    ------
    RdpipeError
        If the images are too small to be halved k times.
    """
    height, width, channels = image = tuple(image_shape)
    k, latent = arch["layers"], (arch["latent"],)
    hidden: list[tuple[int, ...]]
    if arch["kind"] == "mlp":
        hidden = k * [(arch["width"],)]
    else:
        if min(height, width) < 2**k:
            raise RdpipeError(
                f"a CNN of {k} layers needs images of at least {2**k}×{2**k} pixels, and these are "
                f"{height}×{width}; give it fewer layers, or the dataset larger images"
            )
        hidden = [(height >> i, width >> i, arch["channels"]) for i in range(1, k + 1)]
        if arch["dense"]:
            hidden.append((arch["dense"],))
    down = pairwise([image, *hidden])
    *up, last = pairwise([latent, *reversed(hidden), image])
    return Network(
        (height, width, channels),
        arch["latent"],
        encoder=tuple(Layer(f"encoder.{i}", *shapes) for i, shapes in enumerate(down)),
        mean=Layer("mean", hidden[-1], latent),
        log_variance=Layer("log_variance", hidden[-1], latent),
        decoder=tuple(Layer(f"decoder.{i}", *shapes) for i, shapes in enumerate(up)),
        output=Layer("output", *last),
    )


def initial_parameters(network: Network, seeds: Sequence[int]) -> dict[str, Tensor]:
    """Float32 parameters of one run per seed, a function of the seed alone.

    PyTorch's default: weights and biases uniform within ±1/√fan_in.

    Parameters
    ----------
    network
        See `build`.
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
    runs = zip(h, weight, bias[:, 0], strict=True)
    return torch.stack([_convolve(layer, *run) for run in runs])


def _convolve(layer: Layer, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A convolution of one run: (B, in) -> (B, out)."""
    x = h.unflatten(1, layer.inputs).permute(0, 3, 1, 2)  # (B, C, H, W), in memory still (H, W, C)
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
