"""Time and memory of what precedes training, on the paper's Tetrominoes: images, split, neighbours.

Each step runs in a process of its own, so that its peak memory is its own:

    python benchmarks/generation.py --json generation.json
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rdpipe.datasets.tetrominoes import render, sample_factors, write_dataset
from rdpipe.files import read_npz, write_json, write_npz
from rdpipe.neighbours import write_neighbours
from rdpipe.splits import write_split

BINS = {"angle": 16, "hue": 8, "scale": 5, "x": 16, "y": 16}
LIMITS = {
    "angle": (0.0, 360.0),
    "hue": (0.0, 0.875),
    "scale": (2.0, 5.0),
    "x": (8.0, 23.0),
    "y": (8.0, 23.0),
}


def measured(step: Callable[..., Any], *args: Any, **settings: Any) -> dict[str, float]:
    """Seconds that a step takes, and the most memory its process ever held, in GB."""
    start = time.perf_counter()
    step(*args, **settings)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def alone(step: Callable[..., Any], *args: Any, **settings: Any) -> dict[str, float]:
    """The same, in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measured, (step, *args), settings)


def measure(folder: Path, pairs: int) -> dict[str, dict[str, float]]:
    """All steps, with their files in `folder`; neighbours of `pairs` images among as many."""
    factors = sample_factors(0, BINS, LIMITS)
    dataset = {"seed": 0, "bins": BINS, "limits": LIMITS}
    files = {
        "images": folder / "images.npz",
        "factors": folder / "factors.parquet",
        "manifest": folder / "manifest.json",
    }
    rows = {
        "images, 1 thread": alone(render, factors, 1),
        "images, 2 threads": alone(render, factors, 2),
        "dataset, 2 threads": alone(write_dataset, folder, threads=2, **dataset),
        "split 82k/82k": alone(write_split, folder, **files, kind="cv", n_train=len(factors) // 2),
    }
    parts = {}
    for part in ("train", "test"):
        parts[part] = folder / f"{part}-{pairs}.npz"
        write_npz(parts[part], images=read_npz(folder / f"{part}.npz")["images"][:pairs])
    row = alone(write_neighbours, folder, **parts)
    rows["neighbours, 2 threads"] = {**row, "examples_per_second": pairs / row["seconds"]}
    return rows


def main() -> None:
    """Print one line a step; write them all to --json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=16_384, help="images in the neighbours' parts")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.pairs)
    print("step                   seconds  peak memory [GB]")
    for step, row in rows.items():
        print(f"{step:22} {row['seconds']:7.1f} {row['peak_gb']:17.2f}")
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
