"""Time and memory of making the paper's Tetrominoes and one of their splits.

Each step runs in a separate process, which gives its peak memory:

    python benchmarks/generation.py --json generation.json
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from _common import Row, alone, parser, save, show

from rdpipe.datasets.tetrominoes import render, sample_factors, write_dataset
from rdpipe.splits import write_split

BINS = {"angle": 16, "hue": 8, "scale": 5, "x": 16, "y": 16}
LIMITS = {
    "angle": (0.0, 360.0),
    "hue": (0.0, 0.875),
    "scale": (2.0, 5.0),
    "x": (8.0, 23.0),
    "y": (8.0, 23.0),
}


def rows(folder: Path) -> Iterator[Row]:
    """Each step, with its files in `folder`."""
    factors = sample_factors(0, BINS, LIMITS)
    dataset = {"seed": 0, "bins": BINS, "limits": LIMITS}
    files = {
        "images": folder / "images.npz",
        "factors": folder / "factors.parquet",
        "manifest": folder / "manifest.json",
    }
    images = {"images": len(factors)}
    yield {"step": "draw, 1 thread"} | images | alone(render, factors, 1)
    yield {"step": "draw, 2 threads"} | images | alone(render, factors, 2)
    # what a job does: draw, count pixels, pack, write
    yield (
        {"step": "dataset, 2 threads"} | images | alone(write_dataset, folder, threads=2, **dataset)
    )
    split = {"kind": "cv", "n_train": len(factors) // 2}
    yield {"step": "split in halves"} | images | alone(write_split, folder, **files, **split)


def main() -> None:
    """Print one line a step; write them all to --json."""
    given = parser(__doc__).parse_args()
    columns = {"step": "{:>18}", "images": "{:,}", "seconds": "{:.1f}", "peak_gb": "{:.2f}"}
    with tempfile.TemporaryDirectory() as folder:
        save(given.json, show("Images", rows(Path(folder)), columns))


if __name__ == "__main__":
    main()
