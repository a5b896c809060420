"""Files that are whole at every moment: written under another name, then renamed."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it to `path` when the block ends well.

    Readers see the old file or the new one, never a part, also after a power cut. If the block
    fails, the temporary file is removed and `path` stays as it was. A killed process leaves its
    temporary file, whose name is `path`'s with a dot before it and eight random hex digits behind
    it, so no other process or host has the same one.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        yield temporary
        if not temporary.is_symlink():  # a link is its name alone
            flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until the bytes of a file, or the names in a folder, are on the disk.

    A network file system reports a full disk only now. After a power cut, a name may lead to bytes
    that were never written, unless the bytes were flushed before the name was given.
    """
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        # some network file systems flush no folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(opened)
