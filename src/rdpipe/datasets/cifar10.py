"""CIFAR-10 (Krizhevsky 2009): 60,000 photographs of ten classes of things, in colour."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from rdpipe.datasets._common import write
from rdpipe.datasets._downloads import fetch_all
from rdpipe.datasets._gzipped import damaged
from rdpipe.datasets._size import resized

FILES = {  # sha256
    "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
}
MIRRORS = (
    "https://www.cs.toronto.edu/~kriz/",
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
)

FOLDER = "cifar-10-batches-bin/"
BATCHES = [f"{FOLDER}data_batch_{i}.bin" for i in range(1, 6)] + [f"{FOLDER}test_batch.bin"]
SIDE, CLASSES = 32, 10
RECORD = 1 + 3 * SIDE * SIDE  # bytes: a label, then planes of red, green and blue
LARGEST = 10_000 * RECORD  # bytes of the largest file in the archive
UNPACKED = 1 << 28  # bytes; the published archive has 184 million


def write_dataset(folder: Path, *, downloads: str, size: int | None, threads: int = 1) -> None:
    """Write CIFAR-10, both parts pooled: images.npz, factors.parquet, manifest.json.

    The parameters are those of `mnist.write_dataset`; the file lies in `cifar10/` and the native
    size is 32. The only factor is the label, 0-9.

    Raises
    ------
    RdpipeError
        If the file is missing and cannot be downloaded, or is not the published one.
    """
    (path,) = fetch_all("CIFAR-10", FILES, MIRRORS, Path(downloads) / "cifar10")
    images, labels = read(path)
    # a class is no range that a split could halve
    write(folder, "cifar10", resized(images, size), pd.DataFrame({"label": labels}), limits={})


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) and labels (N,), uint8, of an archive of six batches, test last.

    Nothing is unpacked to disk. A member counts by its exact name; others are passed over.

    Raises RdpipeError if the file is of another form, too large, or cut off.
    """
    batches: dict[str, np.ndarray] = {}
    try:
        with gzip.open(path) as file:
            for member in _members(file):
                name = member.name.removeprefix("./")
                if name in BATCHES:
                    if name in batches:
                        raise ValueError(f"has {name} twice")
                    batches[name] = _records(file, member)
    except ValueError as error:
        raise damaged(path, str(error)) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise damaged(path, f"cannot be decompressed ({error})") from None
    if missing := [name for name in BATCHES if name not in batches]:
        raise damaged(path, f"lacks {', '.join(missing)}")
    records = np.concatenate([batches[name] for name in BATCHES])
    images = records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].copy()


def _members(file: gzip.GzipFile) -> Iterator[tarfile.TarInfo]:
    """The headers of a tar archive; `file` is then at the member's bytes.

    `tarfile` reads the headers one by one here: left alone it would keep a long name in memory, of
    whatever length a header promises. Raises ValueError on what is no tar archive, or too large.
    """
    end = 0
    while True:
        file.seek(end)
        block = file.read(tarfile.BLOCKSIZE)
        if not block.strip(b"\0"):  # an archive ends with empty blocks
            return
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
        except tarfile.TarError as error:
            raise ValueError(f"is no tar archive ({error})") from None
        if not 0 <= member.size <= LARGEST:
            raise ValueError(f"promises a file of {member.size} bytes, which the published has not")
        yield member
        linked = member.islnk() or member.issym() or member.isdev() or member.isdir()
        blocks = 0 if linked else -(-member.size // tarfile.BLOCKSIZE)
        end += tarfile.BLOCKSIZE * (1 + blocks)
        if end > UNPACKED:
            raise ValueError(f"has more than {UNPACKED} bytes")


def _records(file: gzip.GzipFile, member: tarfile.TarInfo) -> np.ndarray:
    """The records of a batch, uint8 (N, RECORD). Raises ValueError if it is of another form."""
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise ValueError(f"has {member.name} as a link or another special file")
    if member.size == 0 or member.size % RECORD:
        raise ValueError(
            f"has {member.name} with {member.size} bytes, which are no whole records of {RECORD}"
        )
    data = file.read(member.size)
    if len(data) < member.size:
        raise ValueError(f"ends within {member.name}")
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    if (label := records[:, 0].max()) >= CLASSES:
        raise ValueError(f"has {member.name} with a label {label}; classes are 0 to {CLASSES - 1}")
    return records
