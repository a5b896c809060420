"""What it costs a training that `rdpipe watch` can follow it.

    python benchmarks/live.py [--rounds 9] [--json FILE]

The same training takes turns with and without the file of `rdpipe.store.live`. Seconds are the
processor time of all threads, the one that writes the file included. `cost` is the median over the
ratios within each turn, less 1.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from _common import Row, parser, save, show
from _contenders import BATCH, architecture, random_images

from rdpipe.store.live import place, shown
from rdpipe.training.pack import Run
from rdpipe.training.train import train

ABOUT = {"stage": "training", "name": "random/mlp-1", "asked": 1, "log": "logs/training.log"}


def seconds(width: int, iterations: int, file: Path | None) -> float:
    """Processor time of a training, which tells of itself if there is a file."""
    start = time.process_time()
    with shown(file, ABOUT) if file else nullcontext():
        train(
            random_images(), [Run(1.0, 0)], arch=architecture("mlp-1", width),
            iterations=iterations, history_every=iterations, batch_size=BATCH, learning_rate=1e-3,
            precision="float32", device="cpu",
        )  # fmt: skip
    return time.process_time() - start


def rows(rounds: int, folder: Path) -> Iterator[Row]:
    """One row a network: a small one, whose steps are short, and one of the paper."""
    file = place(folder / "logs/training.log")
    for width, iterations in ((64, 400), (512, 150)):
        found = np.array(
            [[seconds(width, iterations, which) for which in (None, file)] for _ in range(rounds)]
        )
        alone, watched = np.median(found, axis=0)
        cost = np.median(found[:, 1] / found[:, 0]) - 1
        yield {"units": width, "iterations": iterations, "alone": alone, "watched": watched,
               "cost": cost}  # fmt: skip


def main() -> None:
    """Print one line a network; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=9)
    given = options.parse_args()
    torch.set_num_threads(1)
    columns = {"units": "{}", "iterations": "{}", "alone": "{:.2f}", "watched": "{:.2f}"}
    with tempfile.TemporaryDirectory() as folder:
        found = rows(given.rounds, Path(folder))
        save(given.json, show("A training, processor seconds", found, columns | {"cost": "{:.1%}"}))


if __name__ == "__main__":
    main()
