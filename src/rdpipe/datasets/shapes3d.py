"""3dShapes (Burgess and Kim 2018): 480,000 rendered rooms, all combinations of six factors."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from rdpipe.common.errors import RdpipeError
from rdpipe.common.npy import DENSE
from rdpipe.common.progress import Progress
from rdpipe.datasets._common import ranges, write
from rdpipe.datasets._downloads import fetch_all
from rdpipe.datasets._size import resized

FILES = {"3dshapes.h5": "0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785"}
MIRRORS = ("https://storage.googleapis.com/3d-shapes/",)

FACTORS = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
CONTINUOUS = [name for name in FACTORS if name != "shape"]  # the four shapes are classes
IMAGES, SIDE = 480_000, 64  # of the published file
BLOCK = 4096  # images read at a time, at least


def write_dataset(folder: Path, *, downloads: str, size: int | None, threads: int = 1) -> None:
    """Write all of 3dShapes: images.npz, factors.parquet, manifest.json.

    The parameters are those of `mnist.write_dataset`; the file lies in `shapes3d/` and the native
    size is 64. The factors are the published values: hues and scale in units, shape 0-3 and
    orientation in degrees.

    Raises
    ------
    RdpipeError
        If the file is missing and cannot be downloaded, or is not the published one.
    """
    (path,) = fetch_all("3dShapes", FILES, MIRRORS, Path(downloads) / "shapes3d")
    images, factors = read(path, size)
    write(folder, "shapes3d", images, factors, ranges(factors[CONTINUOUS]))


def read(path: Path, size: int | None) -> tuple[np.ndarray, pd.DataFrame]:
    """Images (N, size, size, 3) uint8 and factors of an HDF5 file in the form of 3dShapes.

    It is read in blocks, as the images at their native size are 5.9 GB. Raises RdpipeError if the
    file is of another form, or cut off.
    """
    try:
        with h5py.File(path) as file:
            source, labels = file["images"], file["labels"]
            n, side = source.shape[0], source.shape[-2] if source.ndim > 1 else 0
            if source.shape != (n, side, side, 3) or source.dtype != np.uint8:
                raise OSError(f"its images are {source.shape} {source.dtype}")
            if labels.shape != (n, len(FACTORS)) or labels.dtype.kind != "f":
                raise OSError(f"its labels are {labels.shape} {labels.dtype} for {n} images")
            # a header may promise any number of images, of any size, that the file does not have
            if not (0 < n <= IMAGES and side <= SIDE):
                raise OSError(f"it promises {n} images of {side} × {side} pixels")
            if source.id.get_storage_size() * DENSE < source.nbytes:
                raise OSError("it is packed more densely than images can be")
            images = np.empty((n, size or side, size or side, 3), np.uint8)
            rows = (source.chunks or (1,))[0]
            block = rows * -(-BLOCK // rows)  # whole chunks, so that each is decompressed once
            progress = Progress(n, "images")
            for first in range(0, n, block):
                part = source[first : first + block]
                images[first : first + block] = resized(part, size)
                progress.update(len(part))
            return images, pd.DataFrame(labels[:], columns=list(FACTORS))
    except Exception as error:  # what HDF5 raises on damaged bytes has no end
        said = " ".join(str(error).split())
        raise RdpipeError(
            f"{path} cannot be read as 3dShapes ({said}); remove it, so that it is downloaded anew."
        ) from None
