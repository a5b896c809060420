"""The user's own images: a folder of pictures, or an array."""

import logging
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from rdpipe.common import npy, own_files
from rdpipe.common.errors import RdpipeError
from rdpipe.common.own_files import printable
from rdpipe.common.progress import Progress
from rdpipe.datasets._common import ranges, write
from rdpipe.datasets._room import check_room

log = logging.getLogger("rdpipe")

BLOCK = 1024  # images read or scaled at a time
UNREAD = (".heic", ".heif", ".jxl", ".svg", ".dng", ".cr2", ".nef", ".arw")  # Pillow knows no such
# Without this list Pillow goes by a file's first bytes alone: some kinds start other programs.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MOST_PIXELS = 100_000_000  # of one picture; a header can promise any number
GREY = ("1", "L", "LA", "La")  # Pillow's modes of eight bits or fewer


def write_dataset(
    folder: Path,
    *,
    images: str,
    factors: str | None,
    content: str | None,
    size: Sequence[int] | None,
    threads: int = 1,
) -> None:
    """Write the user's images: images.npz, factors.parquet, manifest.json.

    Parameters
    ----------
    folder
        Where the three go.
    images
        A folder of pictures, taken in the order of their names; or a `.npy` or `.npz` file with
        an array (N, H, W) or (N, H, W, C), of uint8 or of floats in [0, 1].
    factors
        A `.csv` or `.parquet` file with a row an image and numeric columns; or None.
    content
        What `own_files.content` said of the two when the workflow was read.
    size
        Height and width in pixels that all images are brought to by area; None leaves them.
    threads
        Threads that read pictures.

    Raises
    ------
    RdpipeError
        If a path is missing, was changed since, or does not hold what it should.
    """
    paths = [Path(path) for path in (images, factors) if path]
    source, *tables = paths
    for path in paths:
        if not path.exists():
            raise RdpipeError(f"{path} does not exist; put it there or mend the dataset's path.")
    for path in [*tables, *([] if source.is_dir() else [source])]:
        if not path.is_file():  # a folder of tables, say, or a pipe
            raise RdpipeError(f"{printable(path)} is no ordinary file; give one.")
    if source.is_dir():
        files = own_files.pictures(source)
        check_names(source, files)
        pixels = read_pictures(files, size, threads, source)
        rows = pd.DataFrame({"file": list(files)})
    else:
        pixels = brought_to(read_array(source), size)
        rows = pd.DataFrame({"row": range(len(pixels))})
    limits = {}
    for table in tables:  # one or none
        values = read_factors(table, rows)
        rows = rows.join(values) if "file" in rows else values
        limits = ranges(values)
    if pixels.max() <= 1:
        raise RdpipeError(
            f"{source} holds no value above 1 of 255, so all images would be black; "
            "multiply 0 and 1 by 255, or give an array of floats from 0 to 1."
        )
    if own_files.content(paths) != content:
        raise RdpipeError(
            f"{' or '.join(map(str, paths))} changed since the workflow was started; "
            "call snakemake again."
        )
    write(folder, "images", pixels, rows, limits)


def check_names(folder: Path, pictures: Iterable[str]) -> None:
    """Refuse files that would be left out by mistake, and log the others that are left out.

    Raises RdpipeError if a picture is of a kind that is not taken, or its name is not UTF-8.
    """
    taken = set(pictures)
    for name in taken:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise RdpipeError(
                f"{folder} holds a picture whose name is not UTF-8: {os.fsencode(name)!r}; "
                "rename it."
            ) from None
        if not name.isprintable():
            raise RdpipeError(
                f"{folder} holds a picture whose name has a line break or another control "
                f"character: {printable(name)}; rename it."
            )
    others = [name for name in own_files.files(folder) if name not in taken]
    kinds = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    if wrong := [name for name in others if Path(name).suffix.lower() in {*kinds, *UNREAD}]:
        taken_kinds = ", ".join(own_files.PICTURES)
        raise RdpipeError(
            f"{folder} holds {len(wrong)} pictures of a kind that is not taken, such as "
            f"{printable(wrong[0])}; convert them ({taken_kinds}) or remove them."
        )
    if others:
        shown = ", ".join(map(printable, others[:3]))
        log.info("%s: left out %d files that are no pictures: %s", folder, len(others), shown)


def read_pictures(
    files: dict[str, Path], size: Sequence[int] | None, threads: int, folder: Path
) -> np.ndarray:
    """Images (N, H, W, 1) uint8 if all are grey, else (N, H, W, 3).

    Raises RdpipeError if there is no picture, one cannot be read, or their sizes differ.
    """
    if not files:
        kinds = ", ".join(own_files.PICTURES)
        raise RdpipeError(f"{folder} holds no picture ({kinds}); add some.")
    paths = list(files.values())
    for path in paths:
        if not path.is_file():
            raise RdpipeError(f"{path} is no ordinary file; remove it.")
    shape = (len(paths), *_scaled(_read_picture(paths[0]), size).shape)
    # the first may be grey, and a later one in colour
    check_room(f"{folder}", 3 * math.prod(shape[:3]), "give the dataset a smaller size")
    images = np.empty(shape, np.uint8)
    progress = Progress(len(paths), "pictures")
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(paths), BLOCK):
            block = paths[first : first + BLOCK]
            found = pool.map(lambda path: _scaled(_read_picture(path), size), block)
            for i, picture in enumerate(found, start=first):
                if picture.shape[:2] != images.shape[1:3]:
                    raise _odd(paths[i], picture, paths[0], images)
                if picture.shape[2] > images.shape[3]:  # the first in colour
                    images = images.repeat(3, axis=3)
                images[i] = picture  # a grey one fills all three channels
            progress.update(len(block))
    return images


def _odd(path: Path, picture: np.ndarray, first: Path, images: np.ndarray) -> RdpipeError:
    (h, w), (height, width) = picture.shape[:2], images.shape[1:3]
    return RdpipeError(
        f"{path} has {h} × {w} pixels, but {first} has {height} × {width}; give the dataset a "
        "size [height, width] that all are brought to."
    )


def _read_picture(path: Path) -> np.ndarray:
    """One picture (H, W, 1 or 3) uint8, upright, on black where it is transparent."""
    try:
        with Image.open(path, formats=FORMATS) as file:
            if math.prod(file.size) > MOST_PIXELS:
                raise ValueError(f"it has {file.width} × {file.height} pixels, which is too many")
            frames = getattr(file, "n_frames", 1)
            picture = ImageOps.exif_transpose(file)
            picture.load()
    except Exception as error:  # what decoders raise on damaged bytes has no end
        raise RdpipeError(
            f"{path} cannot be read as a picture ({_line(error)}); mend or remove it."
        ) from None
    if frames > 1:
        raise RdpipeError(
            f"{path} has {frames} frames or pages; save each as a picture, or remove the file."
        )
    if picture.mode.startswith("I;16"):
        levels = (np.asarray(picture).astype(np.uint32) + 128) // 257
        return levels.astype(np.uint8)[..., None]
    if picture.mode in ("I", "F"):
        raise RdpipeError(
            f"{path} has pixels of 32 bits, whose range nobody knows; convert it to 8 or 16 bits."
        )
    mode = picture.mode
    if picture.has_transparency_data:
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, picture.convert("RGBA"))
    levels = np.asarray(picture.convert("RGB"))
    grey = mode in GREY or (mode in ("P", "PA") and bool((levels == levels[..., :1]).all()))
    return levels[..., :1] if grey else levels


def read_array(path: Path) -> np.ndarray:
    """Images (N, H, W, C) uint8 from the array of a `.npy` or `.npz` file.

    Raises RdpipeError if there is no such array, or its shape, type or values are not of images.
    """
    with _opened(path) as promised:
        shape, dtype = promised.shape, promised.dtype
        if len(shape) not in (3, 4) or (*shape, 1)[3] not in (1, 3) or 0 in shape:
            raise RdpipeError(
                f"{path} has an array of shape {shape}; images are (N, H, W), (N, H, W, 1) or "
                "(N, H, W, 3)."
            )
        if dtype != np.uint8 and dtype.kind != "f":
            raise RdpipeError(f"{path} has an array of {dtype}; give uint8, or floats from 0 to 1.")
        check_room(f"the array of {path}", promised.nbytes, "give fewer images, or uint8")
        array = promised.read().reshape((*shape, 1)[:4])
    if array.dtype == np.uint8:
        return array
    images = np.empty(array.shape, np.uint8)
    for first in range(0, len(array), BLOCK):
        part = array[first : first + BLOCK]
        if not ((part >= 0) & (part <= 1)).all():  # false for nan, too
            raise RdpipeError(
                f"{path} has floats that are not from 0 to 1 (in images {first} to "
                f"{first + len(part) - 1}); scale them, or give uint8."
            )
        images[first : first + BLOCK] = np.rint(255 * part.astype(np.float64))
    return images


@contextmanager
def _opened(path: Path) -> Iterator[npy.Array]:
    """The array of a file, to be read; a fault of the file is told in one sentence."""
    shown = printable(path)
    try:
        with npy.opened(path) as array:
            if array.dtype.hasobject:
                raise ValueError("it holds objects of Python")
            if not array.whole:
                raise RdpipeError(f"{shown} has fewer values than its header says; mend it.")
            if array.bomb:
                raise RdpipeError(
                    f"{shown} is packed more densely than images can be; save it with np.save."
                )
            yield array
    except RdpipeError:
        raise
    except npy.NoImages as error:
        shown_names = ", ".join(map(printable, error.names[:5]))
        found = f"the arrays {shown_names}" if error.names else "no array"
        raise RdpipeError(f"{shown} has {found}; give it one called `images`.") from None
    except Exception as error:  # what decoders raise on damaged bytes has no end
        raise RdpipeError(
            f"{shown} is neither a folder of pictures nor a readable .npy or .npz file of numbers "
            f"({type(error).__name__}); mend it."
        ) from None


def brought_to(images: np.ndarray, size: Sequence[int] | None) -> np.ndarray:
    """Images (N, H, W, C) uint8 at a size [height, width], by area."""
    if size is None or tuple(size) == images.shape[1:3]:
        return images
    small = np.empty((len(images), *size, images.shape[3]), np.uint8)
    for i, image in enumerate(images):
        small[i] = _scaled(image, size)
    return small


def _scaled(image: np.ndarray, size: Sequence[int] | None) -> np.ndarray:
    """One image (H, W, C) at a size: each pixel is the mean of the area it covers."""
    if size is None or tuple(size) == image.shape[:2]:
        return image
    height, width = size
    flat = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    scaled = np.asarray(flat.resize((width, height), Image.Resampling.BOX))
    return scaled.reshape(height, width, image.shape[2])


def read_factors(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Factors of the images in `rows`, which have a column `file` if they are pictures.

    A column `file` in the table names the picture of each row. Without it, rows are in the order of
    the images.

    Raises RdpipeError if the table has not one row for each image, or other than finite numbers; or
    if the order of the pictures is in doubt and the table does not name them.
    """
    table = _read_table(path, len(rows))
    if "file" in table and "file" in rows:
        table = _ordered(path, table, rows["file"])
    elif "file" in rows:
        _check_order(path, rows["file"].tolist())
    _check_rows(path, len(table), len(rows))
    for name, column in table.items():
        if not str(name).isprintable():
            raise RdpipeError(
                f"{path} has a column whose name has a line break or another control character: "
                f"{printable(str(name))}; rename it."
            )
        if str(name).startswith("Unnamed:"):
            raise RdpipeError(f"{path} has a column without a name; name it or leave it out.")
        if name == "part":
            raise RdpipeError(f"{path}: `part` is what splits call their column; rename it.")
        if column.dtype.kind not in "iuf" or not np.isfinite(_floats(column)).all():
            raise RdpipeError(
                f"{path}: column `{name}` has other than finite numbers; mend it or leave it out. "
                "If it names the pictures, call it `file`."
            )
    return pd.DataFrame({str(name): column.to_numpy() for name, column in table.items()})


def _floats(column: pd.Series) -> np.ndarray:
    return column.to_numpy(np.float64, na_value=np.nan)


def _check_rows(path: Path, found: int, n: int) -> None:
    if found != n:
        raise RdpipeError(f"{path} has {found} rows for {n} images; give one row an image.")


def _read_table(path: Path, n: int) -> pd.DataFrame:
    """A table of `n` rows as its file says, without what a parser would guess.

    Raises RdpipeError if the file is no table, has more fields than names, gives a name twice, or
    has a nameless index.
    """
    try:
        if path.suffix.lower() == ".parquet":
            # opened here: of a path, pandas would take `a=1` for a column
            with path.open("rb") as file:
                # packed to nothing, a file may hold any number of rows
                _check_rows(path, pq.read_metadata(file).num_rows, n)
                table = pd.read_parquet(file)
            names = pd.Series(table.columns, dtype=str)
        else:
            with warnings.catch_warnings():
                # with a field more than names, pandas would take the first for an index
                warnings.simplefilter("error", pd.errors.ParserWarning)
                how: dict[str, Any] = {"index_col": False, "compression": None}
                table = pd.read_csv(path, converters={"file": str}, **how)
                # in `table` a second `x` is called `x.1`
                names = pd.read_csv(path, header=None, nrows=1, dtype=str, **how).iloc[0]
    except RdpipeError:
        raise
    except pd.errors.ParserWarning:
        raise RdpipeError(
            f"{path} has more fields in a row than names in its first line; give each column a "
            "name, and write numbers with a decimal point, not with a comma."
        ) from None
    except Exception as error:  # as above
        raise RdpipeError(
            f"{path} cannot be read as a table, .csv or .parquet ({_line(error)}); mend it."
        ) from None
    if len(twice := names[names.duplicated() & names.notna()]):
        raise RdpipeError(f"{path} has two columns {printable(twice.iloc[0])}; rename one.")
    if table.index.equals(pd.RangeIndex(len(table))):
        return table
    if None in table.index.names:
        raise RdpipeError(
            f"{path} has an index without a name, so the order of its rows is in doubt; call the "
            "index `file` if it names the pictures, or write the table without an index."
        )
    return table.reset_index()


def _check_order(path: Path, files: Sequence[str]) -> None:
    """Refuse to pair rows with pictures whose order by name is not that by number."""

    def by_number(name: str) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]

    for file, other in zip(files, sorted(files, key=by_number), strict=True):
        if file != other:
            raise RdpipeError(
                f"{path} does not say which picture a row is about: by name {file} comes before "
                f"{other}, by number after it; give the table a column `file`."
            )


def _line(error: Exception) -> str:
    """What another library says of a fault, on one line."""
    return printable(" ".join(str(error).split()))[:300]


def _ordered(path: Path, table: pd.DataFrame, files: pd.Series) -> pd.DataFrame:
    """The table without its column `file`, in the order of the files."""
    for fault, names in (
        ("two rows for", table["file"][table["file"].duplicated()]),
        ("no row for", files[~files.isin(table["file"])]),
        ("a row for the missing picture", table["file"][~table["file"].isin(files)]),
    ):
        if len(names):
            raise RdpipeError(
                f"{path} has {fault} {printable(names.iloc[0])}; give one row for each picture, "
                "named relative to their folder."
            )
    return table.set_index("file").loc[files].reset_index(drop=True)
