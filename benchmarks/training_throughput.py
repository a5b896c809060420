"""Training throughput: this engine against a plain PyTorch loop and the matrix-product peak.

    python benchmarks/training_throughput.py [--archs mlp-1 cnn-3] [--runs 1 4 12] [--json FILE]

Needs torch, numpy and safetensors only. The contenders take turns, and medians over the rounds are
reported, so that a machine shared with others treats all of them alike. Each has a process of its
own, so that the plain loop does not profit from the engine's setting of the memory allocator.
"""

import argparse
import json
import math
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from rdpipe import models, training
from rdpipe.models import Layer, Network
from rdpipe.objectives import Objective

SHAPE, BATCH = (32, 32, 3), 128
EXAMPLES = 8192
PRODUCT_SIZE = {"cpu": 2048, "cuda": 8192}  # of the square matrices whose product is the peak


def build(arch: str) -> Network:
    """The paper's networks: mlp-1 has one layer, cnn-3 has three."""
    kind, layers = arch.split("-")
    sizes = {"width": 512, "channels": 64, "dense": 0, "latent": 10}
    return models.build({"kind": kind, "layers": int(layers), **sizes}, SHAPE)


def module(layer: Layer) -> nn.Module:
    """A layer as one would write it for a single run, with images in PyTorch's order."""
    if not layer.dense:
        kind = nn.ConvTranspose2d if layer.grows else nn.Conv2d
        sizes = (models.KERNEL, models.STRIDE, models.PADDING)
        return kind(layer.inputs[-1], layer.outputs[-1], *sizes)
    *sides, channels = layer.outputs
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(layer.inputs), math.prod(layer.outputs)),
        nn.Unflatten(1, (channels, *sides)),
    )


class PlainVAE(nn.Module):
    """The model as one would write it for a single run."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        heads = replace(network.mean, outputs=(2 * network.latent,))

        def hidden(layers: Sequence[Layer]) -> list[nn.Module]:
            return [m for layer in layers for m in (module(layer), nn.ReLU())]

        self.encoder = nn.Sequential(*hidden(network.encoder), module(heads))
        self.decoder = nn.Sequential(*hidden(network.decoder), module(network.output))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, mean and log-variance."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        return self.decoder(z), mean, log_variance


def plain_loop(images: np.ndarray, network: Network, device: torch.device) -> Callable[[int], None]:
    """The loop of a tutorial: DataLoader, unfused Adam, one run."""
    dataset = TensorDataset(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous() / 255)
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, drop_last=True)
    model = PlainVAE(network).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def endless() -> Iterator[Tensor]:
        while True:
            yield from (x for (x,) in loader)

    batches = endless()

    def advance(steps: int) -> None:
        for _ in range(steps):
            x = next(batches).to(device)
            logits, mean, log_variance = model(x)
            distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / BATCH
            kl = -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp()) / BATCH
            optimizer.zero_grad()
            (distortion + kl).backward()
            optimizer.step()

    return advance


def engine(
    images: np.ndarray, network: Network, runs: int, precision: str, device: torch.device
) -> Callable[[int], None]:
    """The engine of this project with `runs` values of β and one seed."""
    dtype = getattr(torch, precision)
    initial = models.initial_parameters(network, [0] * runs)
    pack = training.new_pack(initial, 1e-3, dtype, device)
    beta = torch.linspace(0.1, 1, runs, dtype=dtype, device=device)
    objective = Objective(network, "rate", beta, len(images))
    pixels = torch.from_numpy(images).flatten(1).to(device)
    feed = training.batches(pixels, [0] * runs, BATCH, network.latent, dtype)

    def advance(steps: int) -> None:
        with training.tuned_process():
            training.advance(pack, feed, objective, steps)

    return advance


def matrix_products(precision: str, device: torch.device) -> Callable[[int], None]:
    """Square products: the machine's peak at this precision."""
    n = PRODUCT_SIZE[device.type]
    a, b = torch.rand(2, n, n, dtype=getattr(torch, precision), device=device)
    out = torch.empty_like(a)

    def advance(steps: int) -> None:
        for _ in range(steps):
            torch.mm(a, b, out=out)

    return advance


def gflop(network: Network) -> float:
    """GFLOP of the matrix products of one model-step.

    Forward, gradient of the weights, gradient of the inputs; the images need no gradient.
    """

    def products(layer: Layer) -> int:
        # a convolution multiplies its weight at every pixel of the smaller of its two images
        small = min(layer.inputs, layer.outputs, key=lambda shape: shape[0])
        pixels = 1 if layer.dense else math.prod(small[:2])
        return pixels * math.prod(layer.weight)

    layers = list(network.layers())
    return 2 * BATCH * (3 * sum(map(products, layers)) - products(layers[0])) / 1e9


def speed(advance: Callable[[int], None], seconds: float, device: torch.device) -> float:
    """Steps a second, over about `seconds`."""

    def timed(steps: int) -> float:
        start = time.perf_counter()
        advance(steps)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    steps = max(1, round(seconds / timed(2) * 2))
    return steps / timed(steps)


def contend(
    turns: Connection, method: str, arch: str, runs: int, options: argparse.Namespace
) -> None:
    """The process of one contender: answers each message with its speed, until None comes."""
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    network = build(arch)
    images = np.random.default_rng(0).integers(0, 256, (EXAMPLES, *SHAPE), dtype=np.uint8)
    if method == "peak":
        advance = matrix_products(options.precision, device)
    elif method == "plain loop":
        advance = plain_loop(images, network, device)
    else:
        advance = engine(images, network, runs, options.precision, device)
    advance(3)
    while turns.recv():
        turns.send(speed(advance, options.seconds, device))


def measure(arch: str, options: argparse.Namespace, device: torch.device) -> list[dict[str, Any]]:
    """One row a contender."""
    contenders = [("peak", 1), ("plain loop", 1), *(("rdpipe", runs) for runs in options.runs)]
    speeds: dict[tuple[str, int], list[float]] = {key: [] for key in contenders}
    context = multiprocessing.get_context("spawn")
    turns = {}
    for method, runs in contenders:
        turns[method, runs], end = context.Pipe()
        arguments = (end, method, arch, runs, options)
        context.Process(target=contend, args=arguments, daemon=True).start()
    for _ in range(options.rounds):
        for key, turn in turns.items():
            turn.send(True)
            speeds[key].append(key[1] * turn.recv())
    for turn in turns.values():
        turn.send(None)
    # quotients within a round, whose contenders met the same machine
    peak = np.array(speeds.pop(("peak", 1))) * (2 * PRODUCT_SIZE[device.type] ** 3 / 1e9)
    plain = np.array(speeds["plain loop", 1])
    return [
        {
            "arch": arch,
            "method": method,
            "runs": runs,
            "precision": "float32" if method == "plain loop" else options.precision,
            "device": device.type,
            "model_steps_per_second": statistics.median(values),
            "ratio_to_plain": float(np.median(values / plain)),
            "share_of_peak": float(np.median(np.array(values) * gflop(build(arch)) / peak)),
            "peak_gflops": float(np.median(peak)),
        }
        for (method, runs), values in speeds.items()
    ]


def main() -> None:
    """Measure, print a table and, if asked, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", choices=["float32", "float64"])
    parser.add_argument("--archs", nargs="+", default=["mlp-1", "mlp-3", "cnn-1", "cnn-3"])
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a contender in a round")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    print(f"torch {torch.__version__}, {options.threads} threads, {device} {name}\n")
    header = ("arch", "method", "R", "precision", "model-steps/s", "ratio", "of peak")
    layout = "{:6} {:11} {:>3} {:9} {:>13} {:>7} {:>8}"
    print(layout.format(*header))
    rows = []
    for arch in options.archs:
        for row in measure(arch, options, device):
            rows.append(row)
            cells = [row[key] for key in ("arch", "method", "runs", "precision")]
            cells.append(f"{row['model_steps_per_second']:.1f}")
            cells.append(f"{row['ratio_to_plain']:.2f}")
            cells.append(f"{row['share_of_peak']:.0%}")
            print(layout.format(*cells), flush=True)
    if options.json:
        machine = {"torch": torch.__version__, "threads": options.threads, "device": name}
        options.json.write_text(json.dumps(machine | {"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
