"""Convolutions of R runs in four ways: one by one, as `rdpipe.vae.cnn` does, and three others.

    python benchmarks/convolutions.py --archs cnn-1 cnn-3 --runs 1 4 12 --json convolutions.json

The benchmark times forward and backward passes through the convolutions of a network with their
ReLUs, on images that all runs share. A value is the speed of a run relative to PyTorch's modules.
The four ways take turns. A value is the median over the ratios within each turn, so that other work
on the machine slows all of them alike.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from _common import Row, parser, save, show
from _contenders import BATCH, build, module
from torch import Tensor, nn

from rdpipe.training.engine import tuned_process
from rdpipe.vae.cnn import KERNEL, PADDING, STRIDE, Convolution
from rdpipe.vae.models import VAE
from rdpipe.vae.networks import Network

Parameters = Mapping[str, Tensor]


def one_by_one(layers: Sequence[Convolution], parameters: Parameters, h: Tensor) -> Tensor:
    """What `vae.cnn` does: one run's convolution after the other's."""
    for i, layer in enumerate(layers):
        weight, bias = parameters[f"{layer.name}.weight"], parameters[f"{layer.name}.bias"]
        h = (F.relu(h) if i else h).expand(len(weight), -1, -1)
        h = layer.apply(h, weight, bias)
    return h


def grouped(
    layers: Sequence[Convolution], parameters: Parameters, h: Tensor, memory: torch.memory_format
) -> Tensor:
    """One convolution whose groups are the runs; maps (B, R·C, H, W)."""
    runs, shared = len(parameters["mean.weight"]), len(h) == 1
    x = h.unflatten(2, layers[0].inputs).permute(1, 0, 4, 2, 3).flatten(1, 2)
    x = x.contiguous(memory_format=memory)
    for i, layer in enumerate(layers):
        x = F.relu(x) if i else x
        weight = parameters[f"{layer.name}.weight"].flatten(0, 1).contiguous(memory_format=memory)
        convolve = F.conv_transpose2d if layer.grows else F.conv2d
        groups = 1 if shared and not i else runs  # images that all runs see need no groups
        bias = parameters[f"{layer.name}.bias"].flatten()
        x = convolve(x, weight, bias, STRIDE, PADDING, groups=groups)
    return x.unflatten(1, (runs, -1)).permute(1, 0, 3, 4, 2).flatten(2)


def products(layers: Sequence[Convolution], parameters: Parameters, h: Tensor) -> Tensor:
    """Batched matrix products with patches of 4 × 4 pixels; maps (R, B, H, W, C)."""
    runs = len(parameters["mean.weight"])
    x = h.unflatten(2, layers[0].inputs)
    for i, layer in enumerate(layers):
        x = F.relu(x) if i else x
        weight, bias = parameters[f"{layer.name}.weight"], parameters[f"{layer.name}.bias"]
        if layer.grows:
            columns = weight.permute(0, 1, 3, 4, 2).flatten(2)  # (R, in, 4 · 4 · out)
            parts = torch.bmm(x.reshape(runs, -1, layer.inputs[-1]), columns)
            parts = parts.view(runs, BATCH, *layer.inputs[:2], KERNEL, KERNEL, -1)
            x = _Overlap.apply(parts) + bias[:, :, None, None]
        else:
            rows = weight.permute(0, 3, 4, 2, 1).flatten(1, 3)  # (R, 4 · 4 · in, out)
            parts = _Patches.apply(x).flatten(4).flatten(1, 3).expand(runs, -1, -1)
            x = torch.baddbmm(bias, parts, rows).view(runs, BATCH, *layer.outputs)
    return x.flatten(2)


def patches(x: Tensor) -> Tensor:
    """(R, B, H, W, C) -> (R, B, H/2, W/2, 4, 4, C)."""
    x = F.pad(x, (0, 0, PADDING, PADDING, PADDING, PADDING))
    parts = x.unfold(2, KERNEL, STRIDE).unfold(3, KERNEL, STRIDE)  # (R, B, H/2, W/2, C, 4, 4)
    return parts.permute(0, 1, 2, 3, 5, 6, 4).contiguous()


def overlap(parts: Tensor) -> Tensor:
    """The transpose of `patches`: images from sums of overlapping patches."""
    h, w = parts.shape[2:4]
    blocks = parts.new_zeros(*parts.shape[:2], h + 1, 2, w + 1, 2, parts.shape[-1])
    for i in range(2):
        for j in range(2):
            quarter = parts[:, :, :, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            blocks[:, :, i : i + h, :, j : j + w] += quarter.transpose(3, 4)
    return blocks.flatten(4, 5).flatten(2, 3)[:, :, 1:-1, 1:-1]


class _Patches(torch.autograd.Function):
    """PyTorch's own gradient of `unfold` is several times slower."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return patches(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return overlap(gradient)


class _Overlap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: Tensor) -> Tensor:
        return overlap(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return patches(gradient)


WAYS: dict[str, Callable[..., Tensor]] = {
    "one by one": one_by_one,
    "grouped": partial(grouped, memory=torch.contiguous_format),
    "grouped, channels last": partial(grouped, memory=torch.channels_last),
    "patches and products": products,
}


Step = Callable[[], None]


def convolutions(network: Network) -> tuple[list[Convolution], list[Convolution]]:
    """The convolutions of the encoder, and those of the decoder."""
    parts = network.encoder, (*network.decoder, network.output)
    downs, ups = ([layer for layer in part if isinstance(layer, Convolution)] for part in parts)
    return downs, ups


def packed(arch: str, runs: int, convolve: Callable[..., Tensor]) -> Step:
    """One of the ways, for all runs."""
    network = build(arch)
    initial = VAE.initial(network, range(runs)).parameters
    parameters = {name: p.requires_grad_() for name, p in initial.items()}
    downs, ups = convolutions(network)
    x = torch.rand(1, BATCH, math.prod(network.image_shape))
    h = torch.rand(runs, BATCH, math.prod(ups[0].inputs), requires_grad=True)
    gradients = torch.rand_like(h), torch.rand(runs, *x.shape[1:])

    def step() -> None:
        for p in (*parameters.values(), h):
            p.grad = None
        convolve(downs, parameters, x).backward(gradients[0])
        convolve(ups, parameters, h).backward(gradients[1])

    return step


def plain(arch: str) -> Step:
    """One run as PyTorch's modules."""
    network = build(arch)
    downs, ups = convolutions(network)

    def stack(layers: Sequence[Convolution]) -> nn.Sequential:
        return nn.Sequential(*[m for layer in layers for m in (nn.ReLU(), module(layer))][1:])

    encoder, decoder = stack(downs), stack(ups)
    height, width, channels = network.image_shape
    x = torch.rand(BATCH, channels, height, width)
    h = torch.rand_like(encoder(x)).requires_grad_()
    gradients = torch.rand_like(h), torch.rand_like(x)

    def step() -> None:
        encoder.zero_grad()
        decoder.zero_grad()
        h.grad = None
        encoder(x).backward(gradients[0])
        decoder(h).backward(gradients[1])

    return step


def seconds(step: Step, at_least: float) -> float:
    """Seconds a step takes."""
    start, steps = time.perf_counter(), 0
    while time.perf_counter() < start + at_least:
        step()
        steps += 1
    return (time.perf_counter() - start) / steps


@tuned_process("float32")
def ratios(arch: str, runs: int, rounds: int, at_least: float) -> np.ndarray:
    """How many times faster than by PyTorch's modules a run is, for each of the ways."""
    steps = [plain(arch), *(packed(arch, runs, convolve) for convolve in WAYS.values())]
    for step in steps:
        step()
    times = np.array([[seconds(step, at_least) for step in steps] for _ in range(rounds)])
    return np.median(runs * times[:, :1] / times[:, 1:], axis=0)


def rows(archs: Sequence[str], counts: Sequence[int], **rounds: float) -> Iterator[Row]:
    """One row an architecture and number of runs."""
    for arch in archs:
        for runs in counts:
            ways = dict(zip(WAYS, ratios(arch, runs, **rounds).tolist(), strict=True))
            yield {"arch": arch, "runs": runs} | ways


def main() -> None:
    """Print one line a network and number of runs; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--archs", nargs="+", default=["cnn-1", "cnn-3"])
    options.add_argument("--runs", type=int, nargs="+", default=[1, 4, 12])
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--seconds", type=float, default=0.3, help="of a way in a round")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    found = rows(given.archs, given.runs, rounds=given.rounds, at_least=given.seconds)
    columns = {"arch": "{}", "runs": "{}", **dict.fromkeys(WAYS, "{:.2f}")}
    save(given.json, show("Speed of a run, relative to PyTorch's modules", found, columns))


if __name__ == "__main__":
    main()
