"""Arrays in NumPy's format, `.npy` or inside `.npz`, whose headers may promise anything.

Nothing is unpickled. A header is checked against the bytes behind it before memory is taken. This
module imports NumPy only when a header is read: reading the workflow does without it.
"""

import math
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

HEAD = 1 << 14  # bytes that hold any header NumPy accepts
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # how an archive begins, by which NumPy knows it
# Images are not packed as densely as this. zlib packs nothing but one value 1,030 times.
DENSE, SMALL = 300, 1 << 28


class NoImages(ValueError):
    """An archive has several arrays, or none, and none of them is called `images`."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = [name.removesuffix(".npy") for name in names]


@dataclass(frozen=True)
class Array:
    """An array that can be read: its promised shape and type, and its bytes behind the header."""

    file: IO[bytes]
    shape: tuple[int, ...]
    dtype: "np.dtype"
    nbytes: int
    start: int  # bytes of the header
    fortran: bool  # whether the first axis varies fastest
    whole: bool  # whether the file has all the bytes that the header promises
    bomb: bool  # whether the bytes are packed more densely than images ever are

    def read(self) -> "np.ndarray":
        """The array. It takes `nbytes` of memory."""
        from numpy.lib import format as npy

        self.file.seek(0)
        return npy.read_array(self.file, allow_pickle=False)

    def blocks(self, rows: int) -> Iterator["np.ndarray"]:
        """The array in blocks of so many rows, for arrays that need not be in memory at once.

        Raises ValueError if the rows do not lie one after the other, or the file ends early.
        """
        import numpy as np

        if self.fortran:
            raise ValueError("its array is in Fortran order")
        self.file.seek(self.start)
        for first in range(0, self.shape[0], rows):
            shape = (min(rows, self.shape[0] - first), *self.shape[1:])
            data = self.file.read(math.prod(shape) * self.dtype.itemsize)
            yield np.frombuffer(data, self.dtype).reshape(shape)


@contextmanager
def opened(path: Path) -> Iterator[Array]:
    """The array of a `.npy` file; of a `.npz` file the array `images`, or the only one.

    Raises
    ------
    NoImages
        If an archive leaves open which array is meant.
    Exception
        Whatever zipfile and NumPy raise on bytes of another form.
    """
    with path.open("rb") as file:
        if file.read(4) not in ZIP:
            size = os.fstat(file.fileno()).st_size
            yield _array(file, size, size)
            return
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            chosen = "images.npy" if "images.npy" in names or len(names) != 1 else names[0]
            if chosen not in names:
                raise NoImages(names)
            with member(archive, chosen) as array:
                yield array


@contextmanager
def member(archive: zipfile.ZipFile, name: str) -> Iterator[Array]:
    """The array of one file of an `.npz` archive. No other file of the archive is read.

    Raises
    ------
    Exception
        Whatever zipfile and NumPy raise if there is no such file, or on bytes of another form.
    """
    packed = archive.getinfo(name)
    # zipfile gives at most `file_size` bytes, whatever the packed data hold
    with archive.open(packed) as file:
        yield _array(file, packed.file_size, packed.compress_size)


def _array(file: IO[bytes], size: int, packed: int) -> Array:
    from numpy.lib import format as npy  # takes a tenth of a second, which no dry run needs

    file.seek(0)
    head = BytesIO(file.read(HEAD))  # a longer header is cut off, and refused
    version = npy.read_magic(head)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(head)
    start, nbytes = head.tell(), math.prod(shape) * dtype.itemsize
    whole = min(shape, default=0) >= 0 and start + nbytes <= size
    bomb = size > max(SMALL, DENSE * packed)
    return Array(file, shape, dtype, nbytes, start, fortran, whole, bomb)
