"""Stage datasets: the images of a study, their factors of variation, and a manifest."""

from pathlib import Path
from typing import Any

from rdpipe import tetrominoes
from rdpipe.errors import RdpipeError
from rdpipe.files import write_json, write_npz, write_parquet
from rdpipe.images import bernoulli_entropy


def write_dataset(folder: Path, *, kind: str, threads: int = 1, **options: Any) -> None:
    """Make a dataset: images.npz, factors.parquet and manifest.json in `folder`.

    The options of kind "tetrominoes" are those of `tetrominoes.sample_factors`: seed, bins, limits.
    Raises RdpipeError for any other kind.
    """
    if kind != "tetrominoes":
        raise RdpipeError(f"datasets: there is no kind of dataset {kind!r}; use 'tetrominoes'.")
    factors = tetrominoes.sample_factors(**options)
    images = tetrominoes.render(factors, threads)
    manifest = {
        "kind": kind,
        "n": len(images),
        "shape": list(images.shape[1:]),
        "factors": {name: list(options["limits"][name]) for name in factors},
        # Logarithms may differ in their last bits between machines; equal images, equal manifests.
        "entropy": round(bernoulli_entropy(images), 9),
    }
    write_npz(folder / "images.npz", images=images)
    write_parquet(folder / "factors.parquet", factors)
    write_json(folder / "manifest.json", manifest)
