"""Files that are whole at every moment: written under another name, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it to `path` when the block ends well.

    Readers see the old file or the new one, never a part. If the block fails, the temporary file is
    removed and `path` stays as it was. A killed process leaves its temporary file, whose name is
    `path`'s with a dot before it and eight random hex digits behind it, so no other process or host
    has the same one.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
