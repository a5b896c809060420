"""What every kind of dataset is written as."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rdpipe.common.entropy import bernoulli_entropy
from rdpipe.common.files import write_json, write_npz, write_parquet


def write(
    folder: Path,
    kind: str,
    images: np.ndarray,
    factors: pd.DataFrame,
    limits: Mapping[str, Sequence[float]],
) -> None:
    """Write images.npz, factors.parquet and manifest.json into `folder`.

    `images` is (N, H, W, C) uint8 and `factors` has N rows. `limits` has the (low, high) of those
    factors whose range CD and checkerboard splits may divide.
    """
    manifest = {
        "kind": kind,
        "n": len(images),
        "shape": list(images.shape[1:]),
        "factors": {name: list(ends) for name, ends in limits.items()},
        # Logarithms may differ in their last bits between machines; equal images, equal manifests.
        "entropy": round(bernoulli_entropy(images), 9),
    }
    write_npz(folder / "images.npz", images=images)
    write_parquet(folder / "factors.parquet", factors)
    write_json(folder / "manifest.json", manifest)


def ranges(factors: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each factor."""
    return {str(name): (float(x.min()), float(x.max())) for name, x in factors.items()}
