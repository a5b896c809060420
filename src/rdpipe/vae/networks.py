"""Networks of β-VAEs as lists of layers (paper, Section 4.3).

Each kind of architecture is a module of this package, such as `mlp`, and is found by its name. It
has one function, `build(arch, image_shape)`, which returns a `Network`. Nothing here imports
PyTorch, so that a study can be counted before anything is trained.

Letters in shapes: R runs, B batch, H, W and C the height, width and channels of an image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from rdpipe.vae import likelihoods, priors
from rdpipe.vae.likelihoods import Likelihood
from rdpipe.vae.priors import Prior

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]
"""Features of one example: (features,), or of an image (H, W, C)."""


class Layer(Protocol):
    """A layer with a weight and a bias: its shapes, and its function."""

    @property
    def name(self) -> str:
        """Its name; its parameters are `<name>.weight` and `<name>.bias`."""

    @property
    def inputs(self) -> Shape:
        """Shape of what it reads."""

    @property
    def outputs(self) -> Shape:
        """Shape of what it returns."""

    @property
    def weight(self) -> Shape:
        """Shape of one run's weight."""

    @property
    def bias(self) -> Shape:
        """Shape of one run's bias."""

    @property
    def fan_in(self) -> int:
        """Inputs of a unit as PyTorch counts them: initial values lie within ±1/√fan_in."""

    def apply(self, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The outputs of R runs, (R, B, in) -> (R, B, out); weight and bias have R in front."""


@dataclass(frozen=True)
class Dense:
    """A layer in which every output sees every input. See `Layer`."""

    name: str
    inputs: Shape
    outputs: Shape

    @property
    def weight(self) -> Shape:
        """(in, out)."""
        return math.prod(self.inputs), math.prod(self.outputs)

    @property
    def bias(self) -> Shape:
        """(1, out)."""
        return 1, math.prod(self.outputs)

    @property
    def fan_in(self) -> int:
        """Number of inputs."""
        return math.prod(self.inputs)

    def apply(self, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """One matrix product a run."""
        return bias.baddbmm(h, weight)


@dataclass(frozen=True)
class Network:
    """The layers of a VAE, with its prior p(z) and its likelihood p(x|z).

    `activation` follows the layers of `encoder` and of `decoder`.
    """

    image_shape: tuple[int, int, int]
    latent: int
    activation: Callable[[Tensor], Tensor]
    encoder: tuple[Layer, ...]
    mean: Layer
    log_variance: Layer
    decoder: tuple[Layer, ...]
    output: Layer
    prior: Prior
    likelihood: Likelihood

    def layers(self) -> Iterator[Layer]:
        """All layers, in the order in which their initial weights are drawn."""
        yield from (*self.encoder, self.mean, self.log_variance, *self.decoder, self.output)


def build(arch: Mapping[str, Any], image_shape: Sequence[int]) -> Network:
    """The network of an architecture for images of one shape (H, W, C).

    `arch` has the `kind`, the number of hidden `layers` of the encoder and of the decoder, the
    dimension `latent` of the latent space, and what the kind needs. It may have the settings of a
    `prior` (else the prior is `standard`), and the name of a `likelihood` (else it is `bernoulli`).

    Raises
    ------
    RdpipeError
        If the kind cannot take images of this shape, or the prior so few dimensions.
    """
    kind = import_module(f"{__package__}.{arch['kind']}")
    network: Network = kind.build(arch, image_shape)
    return network


def mirrored(
    image_shape: Sequence[int],
    hidden: Sequence[Shape],
    arch: Mapping[str, Any],
    activation: Callable[[Tensor], Tensor],
    layer: Callable[[str, Shape, Shape], Layer] = Dense,
) -> Network:
    """A network whose decoder has the shapes of its encoder, in reverse.

    Parameters
    ----------
    image_shape
        (H, W, C).
    hidden
        Shapes after each hidden layer of the encoder.
    arch
        The architecture, of which `latent`, `prior` and `likelihood` are used here.
    activation
        Function after each hidden layer.
    layer
        Makes a layer from its name and the shapes of its inputs and outputs.
    """
    height, width, channels = image = tuple(image_shape)
    latent = arch["latent"]
    down = pairwise([image, *hidden])
    *up, last = pairwise([(latent,), *reversed(hidden), image])
    return Network(
        (height, width, channels),
        latent,
        activation,
        encoder=tuple(layer(f"encoder.{i}", *shapes) for i, shapes in enumerate(down)),
        mean=Dense("mean", hidden[-1], (latent,)),
        log_variance=Dense("log_variance", hidden[-1], (latent,)),
        decoder=tuple(layer(f"decoder.{i}", *shapes) for i, shapes in enumerate(up)),
        output=layer("output", *last),
        prior=priors.build(arch.get("prior", {"kind": "standard"}), latent, image),
        likelihood=likelihoods.find(arch.get("likelihood", "bernoulli")),
    )


def relu(h: Tensor) -> Tensor:
    """The larger of each value and 0."""
    return h.relu()
