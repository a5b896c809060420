"""The shapes of β-VAEs, layer by layer (paper, Section 4.3), and what they amount to.

Nothing here needs PyTorch: a study is counted before anything is trained.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rdpipe.common.errors import RdpipeError

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

    @property
    def parameters(self) -> int:
        """How many it has."""
        return math.prod(self.weight) + math.prod(self.bias)

    @property
    def products(self) -> int:
        """Multiplications for one example, forward.

        A convolution multiplies its weight at every pixel of the smaller of its two images.
        """
        small = min(self.inputs, self.outputs, key=lambda shape: shape[0])
        return math.prod(self.weight) * (1 if self.dense else math.prod(small[:2]))


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

    @property
    def products(self) -> int:
        """Multiplications for one example, forward."""
        return sum(layer.products for layer in self.layers())

    def numbers(self, batch_size: int) -> int:
        """How many numbers a run holds in training, counted.

        Parameters, gradients, Adam's two moments and what early stopping keeps; and four times what
        layers hand on: forward, backward, and the loss's own.
        """
        handed_on = batch_size * sum(math.prod(layer.outputs) for layer in self.layers())
        return 5 * sum(layer.parameters for layer in self.layers()) + 4 * handed_on


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
