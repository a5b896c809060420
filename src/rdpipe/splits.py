"""Stage splits: the four train/test splits (paper, Section 4.2 and Figure 2).

The paper's default is the CV split that trains on half of the examples.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import (
    read_json,
    read_npz,
    read_parquet,
    write_json,
    write_npz,
    write_parquet,
)


def assign(
    unit: np.ndarray,
    *,
    kind: str,
    seed: int = 0,
    n_train: int | None = None,
    ratio: float | None = None,
) -> np.ndarray:
    """Part of each example: "train", "test" or "unused" (N,), from its factors.

    `unit` (N, d) has the factors, each as a share in [0, 1] of its range (see `scale_to_unit`);
    d is 0 for a dataset without factors, which only kind "cv" can split.

    - "cv", constant volume: `n_train` random examples train, all the rest test. Those of one `seed`
      are nested, as they are the first of one permutation.
    - "cd", constant density: both halves of that permutation, within the centred box of factors
      whose volume is the share `ratio` of the whole; the rest is unused.
    - "checkerboard": each factor's range is cut in two halves; cells of even parity train, those of
      odd parity test. Every neighbour of a cell belongs to the other part.

    Raises RdpipeError for an unknown kind, a wrong size or ratio, and where a part would be empty.
    """
    n, d = unit.shape
    if kind in ("cd", "checkerboard") and d == 0:
        raise RdpipeError(
            f"splits: kind {kind!r} divides a range of factors, but the dataset has none that "
            "varies; use 'cv'."
        )
    if kind == "cv":
        if n_train is None or not 0 < n_train < n:
            raise RdpipeError(
                f"splits: n_train = {n_train} does not leave both a train and a test part of "
                f"{n} examples; give " + (f"a number from 1 to {n - 1}." if n > 1 else "more.")
            )
        parts = _first_trains(n, n_train, seed)
    elif kind == "cd":
        if ratio is None or not 0 < ratio <= 1:
            raise RdpipeError(f"splits: ratio = {ratio} is not a share; give one in (0, 1].")
        inside = (np.abs(unit - 0.5) <= ratio ** (1 / d) / 2).all(axis=1)
        parts = np.where(inside, _first_trains(n, n // 2, seed), "unused")
    elif kind == "checkerboard":
        cells = unit >= 0.5  # (N, d)
        parts = np.where(cells.sum(axis=1) % 2 == 0, "train", "test")
    else:
        raise RdpipeError(
            f"splits: there is no kind of split {kind!r}; use 'cv', 'cd' or 'checkerboard'."
        )
    for part in ("train", "test"):
        if part not in parts:
            raise RdpipeError(
                f"splits: kind {kind!r} leaves no {part} example of {n}; "
                "take a larger dataset or ratio."
            )
    return parts


def scale_to_unit(factors: pd.DataFrame, limits: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """Factors as shares (N, d) of their ranges; those whose range is one point are left out."""
    varied = [name for name, (low, high) in limits.items() if low < high]
    low, high = np.array([limits[name] for name in varied], np.float64).reshape(-1, 2).T
    return (factors[varied].to_numpy(np.float64) - low) / (high - low)


def write_split(
    folder: Path,
    *,
    images: Path,
    factors: Path,
    manifest: Path,
    kind: str,
    **settings: Any,
) -> None:
    """Split a dataset: train.npz, test.npz, assignment.parquet and manifest.json in `folder`.

    `images`, `factors` and `manifest` are the dataset's files; those columns of `factors` that the
    manifest gives limits to are what kinds "cd" and "checkerboard" divide. The settings are those
    of `assign`: seed, n_train, ratio. Raises what `assign` raises.
    """
    dataset = read_json(manifest)
    table = read_parquet(factors)
    parts = assign(scale_to_unit(table, dataset["factors"]), kind=kind, **settings)
    table.insert(0, "part", parts)
    counts = {f"n_{part}": int((parts == part).sum()) for part in ("train", "test", "unused")}

    data = read_npz(images)["images"]
    for part in ("train", "test"):
        index = np.flatnonzero(parts == part)
        write_npz(folder / f"{part}.npz", images=data[index], index=index)
    write_parquet(folder / "assignment.parquet", table)
    write_json(folder / "manifest.json", {"kind": kind, **counts})


def _first_trains(n: int, n_train: int, seed: int) -> np.ndarray:
    """Parts (n,) of which the first `n_train` of the seed's permutation are "train"."""
    # [seed, 1]: not the stream that drew the factors of a dataset with the same seed.
    order = np.random.Generator(np.random.PCG64([seed, 1])).permutation(n)
    parts = np.full(n, "test", "<U6")
    parts[order[:n_train]] = "train"
    return parts
