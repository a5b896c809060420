"""Convolutional networks with ReLU, kernel 4 and stride 2 (paper, Section 4.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rdpipe.common.errors import RdpipeError
from rdpipe.vae.networks import Dense, Layer, Network, Shape, mirrored, relu

if TYPE_CHECKING:
    from torch import Tensor

KERNEL, STRIDE, PADDING = 4, 2, 1  # each convolution halves an image, or doubles it


def build(arch: Mapping[str, Any], image_shape: Sequence[int]) -> Network:
    """An encoder of `layers` convolutions with `channels` feature maps each, and its mirror image.

    If `dense` is not 0, a dense layer with so many units follows the convolutions. An odd side of n
    pixels becomes (n - 1)/2, and n again on the way up.

    Raises
    ------
    RdpipeError
        If the images are too small to be halved so often.
    """
    k, (height, width, _) = arch["layers"], image_shape
    if min(height, width) < 2**k:
        raise RdpipeError(
            f"a CNN of {k} layers needs images of at least {2**k}×{2**k} pixels, and these are "
            f"{height}×{width}; give it fewer layers, or the dataset larger images"
        )
    hidden: list[Shape] = [(height >> i, width >> i, arch["channels"]) for i in range(1, k + 1)]
    if arch["dense"]:
        hidden.append((arch["dense"],))
    return mirrored(image_shape, hidden, arch, relu, _layer)


def _layer(name: str, inputs: Shape, outputs: Shape) -> Layer:
    """A convolution from image to image, else a dense layer."""
    images = len(inputs) == len(outputs) == 3
    return Convolution(name, inputs, outputs) if images else Dense(name, inputs, outputs)


@dataclass(frozen=True)
class Convolution:
    """A convolution, transposed where the image grows. See `networks.Layer`."""

    name: str
    inputs: Shape
    outputs: Shape

    @property
    def grows(self) -> bool:
        """Whether the image grows."""
        return self.outputs[0] > self.inputs[0]

    @property
    def weight(self) -> Shape:
        """PyTorch's shape: (in, out, 4, 4) where the image grows, else (out, in, 4, 4)."""
        inputs, outputs = self.inputs[-1], self.outputs[-1]
        return (*((inputs, outputs) if self.grows else (outputs, inputs)), KERNEL, KERNEL)

    @property
    def bias(self) -> Shape:
        """(1, out)."""
        return 1, self.outputs[-1]

    @property
    def fan_in(self) -> int:
        """PyTorch counts the outputs of a transposed convolution."""
        return math.prod(self.weight[1:])

    def apply(self, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """One convolution a run, one run after another.

        12 runs of three layers are then as fast as PyTorch's own modules (1.00). One grouped
        convolution reaches 0.90, products with patches 0.49 (benchmarks/convolutions.py, CPU).
        """
        import torch

        runs = [self._convolve(*run) for run in zip(h, weight, bias[:, 0], strict=True)]
        return torch.stack(runs) if len(runs) > 1 else runs[0][None]  # a single run needs no copy

    def _convolve(self, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The convolution of one run: (B, in) -> (B, out)."""
        import torch
        import torch.nn.functional as F

        # (B, C, H, W), in memory still (H, W, C); with weights laid out alike, gradients are faster
        x = h.unflatten(1, self.inputs).permute(0, 3, 1, 2)
        weight = weight.contiguous(memory_format=torch.channels_last)
        if self.grows:
            odd = [side % 2 for side in self.outputs[:2]]
            x = F.conv_transpose2d(x, weight, bias, STRIDE, PADDING, output_padding=odd)
        else:
            x = F.conv2d(x, weight, bias, STRIDE, PADDING)
        return x.permute(0, 2, 3, 1).flatten(1)
