"""MNIST and what is published in its form: four IDX files, big-endian and compressed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rdpipe.datasets._common import write
from rdpipe.datasets._downloads import fetch_all
from rdpipe.datasets._gzipped import damaged, read
from rdpipe.datasets._size import resized


def write_pooled(
    folder: Path,
    kind: str,
    name: str,
    files: Mapping[str, str],
    mirrors: Sequence[str],
    downloads: str,
    size: int | None,
) -> None:
    """Write the training images and then the test images of a dataset, with their labels.

    `files` gives the sha256 of four files by name: images and labels for training, then for test.
    """
    paths = fetch_all(name, files, mirrors, Path(downloads) / kind)
    parts = [read_part(*pair) for pair in (paths[:2], paths[2:])]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    factors = pd.DataFrame({"label": labels})
    # a class is no range that a split could halve
    write(folder, kind, resized(images[..., None], size), factors, limits={})


def read_part(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, H) and labels (N,) uint8 of one part.

    Raises RdpipeError if the two do not fit each other, and what `read_idx` raises.
    """
    x, y = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    side = x.shape[1]
    if x.shape != (len(y), side, side):
        raise damaged(
            images,
            f"has images {' × '.join(map(str, x.shape))} where {labels.name} has {len(y)} labels",
        )
    return x, y


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """The array of bytes of an IDX file with `ndim` dimensions.

    Raises RdpipeError if the file has another form, is cut off, or is too long.
    """

    def header(start: bytes) -> tuple[int, np.dtype, list[int]]:
        begin = 4 + 4 * ndim
        if start[:4] != bytes([0, 0, 8, ndim]) or len(start) < begin:
            raise ValueError(f"is no IDX file of {ndim}-dimensional bytes")
        return begin, np.dtype(np.uint8), np.frombuffer(start[4:begin], ">u4").tolist()

    return read(path, header)
