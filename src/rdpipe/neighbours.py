"""Stage neighbours: the nearest training image of every test image.

The distance to it says how hard a test example is, and its 90th percentile picks the difficult
examples of Figure 3. Distances are exact, so ties are ties on every machine: images are integers,
and so is everything here up to the last square root.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rdpipe.common import devices
from rdpipe.common.files import read_npz, write_parquet
from rdpipe.common.precision import products
from rdpipe.common.progress import Progress

TEST_BLOCK, TRAIN_BLOCK = 8192, 1024  # images compared at a time: 200 MB of work space
# Pixels are shifted to -128 … 127, so the products of 1024 of them sum to at most 2^24 in size:
# a float32 holds every partial sum exactly, in whatever order they are taken.
CHUNK = 1024


def nearest(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact nearest training image of each test image, by blocks of matrix products.

    train (N, ...) and test (M, ...) are uint8 of the same trailing shape. Returns the row of
    `train`, int64 (M,), the first where several are equally near, and the squared ℓ2 distance in
    units of 1/255, int64 (M,). Runs on the GPU where there is one.
    """
    device = devices.choose()
    x, y = (torch.from_numpy(images.reshape(len(images), -1)) for images in (test, train))  # (·, P)
    # Scores |b|² - 2 a·b lie within 3 · 2^14 · P, distances within 2^16 · P.
    integer = torch.int32 if x.shape[1] < 2**15 else torch.int64
    norms = torch.cat([_norms(_centred(b, device), integer) for b in y.split(TRAIN_BLOCK)])  # (N,)
    size = (min(len(x), TEST_BLOCK), TRAIN_BLOCK)
    # Work space, allocated once: fresh pages cost more than the arithmetic on them.
    score, product, whole = (
        torch.empty(size, dtype=dtype, device=device) for dtype in (integer, torch.float32, integer)
    )
    index, square = [], []
    progress = Progress(len(x), "test images")
    for rows in x.split(TEST_BLOCK):
        a = _centred(rows, device)
        best = torch.full((len(a),), torch.iinfo(integer).max, dtype=integer, device=device)
        which = torch.zeros(len(a), dtype=torch.int64, device=device)
        for first, columns in zip(range(0, len(y), TRAIN_BLOCK), y.split(TRAIN_BLOCK), strict=True):
            b = _centred(columns, device)
            pairs = (slice(len(a)), slice(len(b)))
            scores = score[pairs].copy_(norms[first : first + len(b)])
            for part in _products(a, b, product[pairs], whole[pairs]):
                scores.sub_(part, alpha=2)
            column = scores.argmin(dim=1, keepdim=True)  # the first of several, by its contract
            least = scores.gather(1, column)[:, 0]
            which = torch.where(least < best, first + column[:, 0], which)
            best = torch.minimum(best, least)
        index.append(which.cpu())
        square.append((best + _norms(a, integer)).cpu())
        progress.update(len(a))
    return torch.cat(index).numpy(), torch.cat(square).numpy().astype(np.int64)


def write_neighbours(folder: Path, *, train: Path, test: Path) -> None:
    """Write distances.parquet: one row a test image, in the order of `test`.

    Columns: nearest, row of `train` (int64); distance, ℓ2 over pixels and channels at intensities
    in [0, 1] (float64).
    """
    index, square = nearest(read_npz(train)["images"], read_npz(test)["images"])
    frame = pd.DataFrame({"nearest": index, "distance": np.sqrt(square) / 255})
    write_parquet(folder / "distances.parquet", frame)


def _centred(images: Tensor, device: torch.device) -> Tensor:
    """Images (B, P) uint8 as float32 -128 … 127, on `device`."""
    return images.to(device).to(torch.float32) - 128


def _norms(a: Tensor, integer: torch.dtype) -> Tensor:
    """Squared norms (B,) of whole numbers a (B, P)."""
    return a.to(integer).square_().sum(dim=1, dtype=integer)


def _products(a: Tensor, b: Tensor, product: Tensor, whole: Tensor) -> Iterator[Tensor]:
    """Exact parts (A, B) of the products a·b of whole numbers a (A, P) and b (B, P).

    Each is the sum over the next 1024 of the P, in `whole`; `product` is a float32 work space.
    """
    for first in range(0, a.shape[1], CHUNK):
        part = slice(first, first + CHUNK)
        with products("bfloat16"):  # which holds -128 … 127, and so does TF32
            torch.mm(a[:, part], b[:, part].T, out=product)
        yield whole.copy_(product)
