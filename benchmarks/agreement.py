"""R and D by precision of the products: the same trainings in each precision, beside seed noise.

    python benchmarks/agreement.py [--width 512] [--iterations 2000] [--at-once 1 4] [--json FILE]

Needs torch, numpy and safetensors. Every run is trained in float64 on the CPU, and then in each
other precision, on the CPU and on a GPU if there is one. Any difference in rounding makes
trajectories part within tens of steps. A precision is good enough if its difference at the end is
smaller than the difference between two seeds, and has no direction. R and D are measured in float64
on images that were not trained on, always with the same noise.

All runs of an architecture train together. With `--at-once`, they also train in smaller packs, in
float32. On a CPU this changes no bit. On a GPU sums are taken in another order.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from _common import parser, save
from _contenders import BATCH, SHAPE, architecture
from torch import Tensor

from rdpipe.training import objectives
from rdpipe.training import train as training
from rdpipe.training.objectives import Objective
from rdpipe.training.pack import Run
from rdpipe.vae import networks
from rdpipe.vae.models import VAE, intensities

SIDE = SHAPE[0]
PRECISIONS = {"cpu": ["float64", "float32", "bfloat16"], "cuda": ["float64", "float32", "tf32"]}
REFERENCE = ("cpu", "float64")  # of all runs at once
Way = tuple[str, str, int]
"""Device, precision, and how many runs train at once."""


def squares(n: int, seed: int) -> np.ndarray:
    """Images of one coloured square each, anywhere on black: uint8 (N, 32, 32, 3)."""
    random = np.random.default_rng(seed)
    size = random.uniform(6, 14, (n, 1, 1))
    first = random.uniform(0, SIDE - size, (n, 2, 1))  # its upper left corner
    pixel = np.arange(SIDE)
    share = np.minimum(pixel + 1, first + size) - np.maximum(pixel, first)  # (N, 2, 32)
    down, across = np.moveaxis(share.clip(0, 1), 1, 0)
    covered = down[:, :, None, None] * across[:, None, :, None]  # (N, 32, 32, 1)
    return np.rint(255 * covered * random.random((n, 1, 1, 3))).astype(np.uint8)


def train(
    images: np.ndarray, arch: Mapping[str, Any], runs: Sequence[tuple[float, int]],
    iterations: int, device: str, precision: str,
) -> list[dict[str, Tensor]]:  # fmt: skip
    """Parameters of each run of a (β, seed) after so many iterations."""
    trained = training.train(
        images, [Run(*run) for run in runs], arch=arch, iterations=iterations,
        batch_size=BATCH, learning_rate=1e-3, precision=precision, history_every=iterations,
        device=device,
    )  # fmt: skip
    return [run.parameters for run in trained]


@torch.no_grad()
def measure(
    images: np.ndarray, arch: Mapping[str, Any], parameters: Mapping[str, Tensor]
) -> tuple[float, float]:
    """D and R of one run in nats, in float64."""
    x = intensities(torch.from_numpy(images).flatten(1), torch.float64)
    noise = torch.randn(len(x), arch["latent"], generator=torch.Generator().manual_seed(0))
    network = networks.build(arch, images.shape[1:])
    objective = Objective("rate", torch.ones(1, dtype=torch.float64), len(x))
    vae = VAE(network, {name: p[None].double() for name, p in parameters.items()})
    distortion, rate, _ = objectives.terms(objective, vae, x[None], noise[None].double())
    return float(distortion), float(rate)


def compare(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a device, precision and β of an architecture."""
    arch = architecture(name, options.width)
    runs = [(beta, seed) for beta in options.betas for seed in range(options.seeds)]
    images, fresh = squares(8192, 0), squares(1024, 1)
    measured, seconds = {}, {}
    for way in ways(len(runs), options.at_once):
        start = time.perf_counter()
        parameters = [
            p
            for first in range(0, len(runs), way[2])
            for p in train(images, arch, runs[first : first + way[2]], options.iterations, *way[:2])
        ]
        seconds[way] = time.perf_counter() - start
        values = np.array([measure(fresh, arch, p) for p in parameters])
        measured[way] = values.reshape(len(options.betas), options.seeds, 2)
    reference = measured[(*REFERENCE, len(runs))]
    return [
        {"arch": name, "device": way[0], "precision": way[1], "at_once": way[2], "beta": beta}
        | {
            key: value
            for i, part in enumerate("DR")
            for key, value in summary(part, values[b, :, i], reference[b, :, i]).items()
        }
        | packings(values[b], measured[(*way[:2], len(runs))][b])
        | {"seconds_of_all_betas": seconds[way]}
        for way, values in measured.items()
        for b, beta in enumerate(options.betas)
    ]


def ways(runs: int, at_once: Sequence[int]) -> list[Way]:
    """All runs at once in each precision; float32 also in the smaller packs that are asked for."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    together = [(device, p, runs) for device in devices for p in PRECISIONS[device]]
    return together + [(device, "float32", n) for device in devices for n in at_once if n < runs]


def packings(values: np.ndarray, together: np.ndarray) -> dict[str, float]:
    """Root mean square over seeds of how far D and R (S, 2) are from those of all runs at once."""
    rms = np.sqrt(np.mean((values - together) ** 2, axis=0))
    return {f"{part}_rms_from_all_at_once": float(rms[i]) for i, part in enumerate("DR")}


def summary(part: str, values: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    """Mean of D or R over seeds, and its difference from the reference, seed by seed (S,)."""
    difference = values - reference
    return {
        part: float(values.mean()),
        f"{part}_deviation_over_seeds": float(reference.std(ddof=1)),
        f"{part}_mean_difference": float(difference.mean()),
        f"{part}_rms_difference": float(np.sqrt(np.mean(difference**2))),
        f"{part}_of_each_seed": values.tolist(),
    }


def main() -> None:
    """Train, print a table and, if asked, write JSON."""
    command_line = parser(__doc__)
    command_line.add_argument("--archs", nargs="+", default=["mlp-1", "mlp-3", "cnn-1"])
    command_line.add_argument("--betas", type=float, nargs="+", default=[0.1, 1.0])
    command_line.add_argument("--seeds", type=int, default=4)
    command_line.add_argument("--iterations", type=int, default=200)
    command_line.add_argument("--width", type=int, default=256, help="of layers; the paper has 512")
    command_line.add_argument("--at-once", type=int, nargs="+", default=[], help="smaller packs")
    command_line.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = command_line.parse_args()
    torch.set_num_threads(options.threads)
    heads = [f"{part}{column}" for part in "DR" for column in ("", " sd", " diff", " rms")]
    layout = "{:6} {:6} {:9} {:>7} {:>5}" + 2 * "  {:>8} {:>7} {:>7} {:>6}"
    print("diff and rms: from float64 on the CPU, over seeds; sd: of one seed from another")
    print(layout.format("arch", "device", "precision", "at once", "beta", *heads), flush=True)
    rows = []
    for name in options.archs:
        for row in compare(name, options):
            rows.append(row)
            cells = [f"{row[f'{part}{key}']:{form}}" for part in "DR" for key, form in COLUMNS]
            given = (row[key] for key in ("arch", "device", "precision", "at_once", "beta"))
            print(layout.format(*given, *cells), flush=True)
    save(options.json, rows)


COLUMNS = [("", ".3f"), ("_deviation_over_seeds", ".3f"), ("_mean_difference", "+.3f"),
           ("_rms_difference", ".3f")]  # fmt: skip
"""What the table shows of D and of R."""


if __name__ == "__main__":
    main()
