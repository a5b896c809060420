"""dSprites (Matthey et al. 2017): 737,280 white shapes, all combinations of five factors."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from rdpipe.common import npy
from rdpipe.common.errors import RdpipeError
from rdpipe.common.progress import Progress
from rdpipe.datasets._common import ranges, write
from rdpipe.datasets._downloads import fetch_all
from rdpipe.datasets._size import resized

FILES = {  # sha256
    "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz": (
        "857dc001287e8efa226e0025fac6b29e5745c621b380b0d3363e4e33f4e28fa2"
    ),
}
MIRRORS = (
    "https://github.com/google-deepmind/dsprites-dataset/raw/master/",
    "https://raw.githubusercontent.com/google-deepmind/dsprites-dataset/master/",
)

LATENTS = ("color", "shape", "scale", "orientation", "posX", "posY")  # columns of the file
CONTINUOUS = ["scale", "orientation", "posX", "posY"]  # shapes are classes, and all are white
IMAGES, SIDE = 737_280, 64  # of the published file
BLOCK = 4096  # images read at a time


def write_dataset(folder: Path, *, downloads: str, size: int | None, threads: int = 1) -> None:
    """Write all of dSprites: images.npz, factors.parquet, manifest.json.

    The parameters are those of `mnist.write_dataset`; the file lies in `dsprites/` and the native
    size is 64. Black is 0 and white 255. The factors are the published values: shape 1-3 (square,
    ellipse, heart), scale 0.5-1, orientation in radians, posX and posY 0-1.

    Raises
    ------
    RdpipeError
        If the file is missing and cannot be downloaded, or is not the published one.
    """
    (path,) = fetch_all("dSprites", FILES, MIRRORS, Path(downloads) / "dsprites")
    images, factors = read(path, size)
    write(folder, "dsprites", images, factors, ranges(factors[CONTINUOUS]))


def read(path: Path, size: int | None) -> tuple[np.ndarray, pd.DataFrame]:
    """Images (N, size, size, 1) uint8 and factors of an archive in the form of dSprites.

    The images are read in blocks, as they are 3 GB at their native size. The archive also has an
    array of pickled objects, `metadata`: it is never read. Raises RdpipeError if the file is of
    another form, or cut off.
    """
    try:
        with (
            zipfile.ZipFile(path) as archive,
            npy.member(archive, "imgs.npy") as source,
            npy.member(archive, "latents_values.npy") as values,
        ):
            n, side = _shape(source, values)
            images = np.empty((n, size or side, size or side, 1), np.uint8)
            progress = Progress(n, "images")
            first = 0
            for part in source.blocks(BLOCK):
                if part.max() > 1:
                    raise ValueError("its images have other values than 0 and 1")
                if not part.any(axis=(1, 2)).all():  # zeros can be packed a thousandfold
                    raise ValueError("it has an image without a shape")
                images[first : first + len(part)] = resized(255 * part[..., None], size)
                first += len(part)
                progress.update(len(part))
            factors = pd.DataFrame(values.read(), columns=list(LATENTS))
    except Exception as error:  # what zipfile and NumPy raise on damaged bytes has no end
        said = " ".join(str(error).split())
        raise RdpipeError(
            f"{path} cannot be read as dSprites ({said}); remove it, so that it is downloaded anew."
        ) from None
    if not np.isfinite(factors.to_numpy()).all():
        raise RdpipeError(
            f"{path} has factors that are not finite; remove it, so that it is downloaded anew."
        )
    return images, factors.drop(columns="color")


def _shape(source: npy.Array, values: npy.Array) -> tuple[int, int]:
    """Number and side of the images. Raises ValueError if two headers are not of this form."""
    n, side = (*source.shape, 0, 0)[:2]
    if source.shape != (n, side, side) or source.dtype != np.uint8:
        raise ValueError(f"its images are {source.shape} {source.dtype}")
    if values.shape != (n, len(LATENTS)) or values.dtype != np.float64:
        raise ValueError(f"its factors are {values.shape} {values.dtype} for {n} images")
    # a header may promise any number of images, of any size, that the file does not have
    if not (0 < n <= IMAGES and 0 < side <= SIDE):
        raise ValueError(f"it promises {n} images of {side} × {side} pixels")
    if not (source.whole and values.whole):
        raise ValueError("it has fewer values than its headers say")
    return n, side
