"""Time and memory of finding nearest neighbours, by the number of images in each part of a split.

    python benchmarks/neighbours.py --images 2048 8192 16384 81920 --json neighbours.json

Images are random; real images cost the same. Each size runs in a separate process.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from _common import Row, alone, parser, save, show

from rdpipe.common.files import write_npz
from rdpipe.neighbours import write_neighbours

COLUMNS = {"images": "{:,}", "seconds": "{:.1f}", "gproducts_per_s": "{:.0f}", "peak_gb": "{:.2f}"}


def find(folder: Path, paths: dict[str, Path], threads: int) -> None:
    """What a job does, from file to file."""
    torch.set_num_threads(threads)
    write_neighbours(folder, **paths)


def rows(counts: list[int], threads: int) -> Iterator[Row]:
    """Neighbours of as many test images among as many training images."""
    random = np.random.default_rng(0)
    for n in counts:
        with tempfile.TemporaryDirectory() as folder:
            paths = {part: Path(folder) / f"{part}.npz" for part in ("train", "test")}
            for path in paths.values():
                write_npz(path, images=random.integers(0, 256, (n, 32, 32, 3), np.uint8))
            cost = alone(find, Path(folder), paths, threads)
        products = n * n * 32 * 32 * 3 / 1e9  # each a multiplication and an addition
        yield {"images": n, **cost, "gproducts_per_s": products / cost["seconds"]}


def main() -> None:
    """Print one line a size; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--images", type=int, nargs="+", default=[2048, 8192, 16384])
    options.add_argument("--threads", type=int, default=2)
    given = options.parse_args()
    save(given.json, show("Nearest neighbours", rows(given.images, given.threads), COLUMNS))


if __name__ == "__main__":
    main()
