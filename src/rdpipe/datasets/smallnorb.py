"""SmallNORB (LeCun et al. 2004): 48,600 photographs of 50 toys under controlled conditions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rdpipe.datasets._common import ranges, write
from rdpipe.datasets._downloads import fetch_all
from rdpipe.datasets._gzipped import damaged, read
from rdpipe.datasets._size import resized

_TRAIN = "smallnorb-5x46789x9x18x6x2x96x96-training"
_TEST = "smallnorb-5x01235x9x18x6x2x96x96-testing"
FILES = {  # sha256
    f"{_TRAIN}-dat.mat.gz": "5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873",
    f"{_TRAIN}-cat.mat.gz": "2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa",
    f"{_TRAIN}-info.mat.gz": "de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32",
    f"{_TEST}-dat.mat.gz": "cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474",
    f"{_TEST}-cat.mat.gz": "ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff",
    f"{_TEST}-info.mat.gz": "16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2",
}
MIRRORS = ("https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/",)

INFO = ["instance", "elevation", "azimuth", "lighting"]  # columns of the info files
CONTINUOUS = INFO[1:]
TYPES = {0x1E3D4C55: np.dtype("u1"), 0x1E3D4C54: np.dtype("<i4")}  # by the magic number


def write_dataset(folder: Path, *, downloads: str, size: int | None, threads: int = 1) -> None:
    """Write the first camera's images of both parts: images.npz, factors.parquet, manifest.json.

    The parameters are those of `mnist.write_dataset`; the files lie in `smallnorb/` and the native
    size is 96. The factors are the published numbers: category 0-4, instance 0-9, elevation 0-8
    (30° to 70°), azimuth 0-34 (tens of degrees) and lighting 0-5.

    Raises
    ------
    RdpipeError
        If a file is missing and cannot be downloaded, or is not the published one.
    """
    paths = fetch_all("SmallNORB", FILES, MIRRORS, Path(downloads) / "smallnorb")
    parts = [read_part(three, size) for three in (paths[:3], paths[3:])]
    factors = pd.concat([table for _, table in parts], ignore_index=True)
    images = np.concatenate([images for images, _ in parts])
    write(folder, "smallnorb", images, factors, ranges(factors[CONTINUOUS]))


def read_part(paths: Sequence[Path], size: int | None) -> tuple[np.ndarray, pd.DataFrame]:
    """Images (N, size, size, 1) uint8 of one part's camera 0, and their factors.

    `paths` are those of its dat, cat and info file.

    Raises RdpipeError if a file is damaged, or of other shape than the images demand.
    """
    dat, cat, info = paths
    pairs = read_matrix(dat, np.dtype("u1"))  # (N, 2, H, H): camera 0 and 1
    category, rest = (read_matrix(path, np.dtype("<i4")) for path in (cat, info))  # (N,), (N, 4)
    n, side = len(pairs), pairs.shape[-1]
    for path, found, expected in (
        (dat, pairs.shape, (n, 2, side, side)),
        (cat, category.shape, (n,)),
        (info, rest.shape, (n, len(INFO))),
    ):
        if found != expected:
            raise damaged(path, f"has an array {found} where {expected} should be")
    factors = pd.DataFrame(rest, columns=INFO)
    factors.insert(0, "category", category)
    return resized(pairs[:, 0, :, :, None], size), factors


def read_matrix(path: Path, dtype: np.dtype) -> np.ndarray:
    """The array of a compressed file in NORB's binary matrix format, little-endian.

    Raises RdpipeError if the file is of another form or type, cut off, or too long.
    """

    def header(start: bytes) -> tuple[int, np.dtype, list[int]]:
        magic, ndim = np.frombuffer(start[:8].ljust(8, b"\0"), "<i4").tolist()
        begin = 8 + 4 * max(3, ndim)  # there are always three sizes, though some mean nothing
        if TYPES.get(magic) != dtype or not 0 < ndim < 8 or len(start) < begin:
            raise ValueError(f"is no binary matrix of {dtype}")
        shape = np.frombuffer(start[8 : 8 + 4 * ndim], "<i4").tolist()
        if min(shape) < 1:
            raise ValueError(f"promises an array {tuple(shape)}")
        return begin, dtype, shape

    return read(path, header)
