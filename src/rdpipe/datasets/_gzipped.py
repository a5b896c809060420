"""What readers of compressed binary files share."""

import gzip
import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rdpipe.common.errors import RdpipeError

MOST = 1 << 30  # bytes; the largest published file has 448 million
HEAD = 64  # bytes that hold any header of these forms

Header = Callable[[bytes], tuple[int, np.dtype, Sequence[int]]]
"""Where the values begin, their type and the shape, from the first bytes. It raises ValueError with
the reason if a file that begins so is of another form."""


def read(path: Path, header: Header) -> np.ndarray:
    """The array of a gzip file: a header, and then exactly the values that it promises.

    The header is read first. So neither a header nor packed data take more memory than MOST.

    Raises RdpipeError if the file is no gzip file, of another form, too large, cut off or too long.
    """
    try:
        with gzip.open(path) as file:
            start = file.read(HEAD)
            try:
                begin, dtype, shape = header(start)
            except ValueError as error:
                raise damaged(path, str(error)) from None
            expected = math.prod(shape) * dtype.itemsize  # without the bounds of NumPy's integers
            if not 0 < expected <= MOST:
                raise damaged(path, f"promises {expected} bytes, which no published file has")
            data = start[begin:] + file.read(max(0, begin + expected + 1 - HEAD))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise damaged(path, f"cannot be decompressed ({error})") from None
    if len(data) > expected:  # by how many, only unpacking all would tell
        raise damaged(path, f"has more than {expected} bytes")
    if len(data) < expected:
        raise damaged(path, f"has {len(data)} bytes where {expected} should be")
    return np.frombuffer(data, dtype).reshape(shape)


def damaged(path: Path, what: str) -> RdpipeError:
    """The sentence for a file that is not what it should be."""
    return RdpipeError(f"{path} {what}; remove it, so that it is downloaded anew.")
