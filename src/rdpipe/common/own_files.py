"""The content of the user's own files, as a digest that is known when the workflow is read.

Every call of Snakemake asks for it. So this module imports nothing heavy. It remembers the digest
of a file as long as the file's inode, its size and both its times stay the same. The inode and the
time of its last change show a file that was swapped or overwritten with its size and time kept.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any

from rdpipe.common.atomic import replacing

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# Folders that operating systems and file servers keep beside a user's pictures.
SYSTEM_FOLDERS = frozenset(
    {"@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin"}
    | {"system volume information", "__macosx", "lost+found"}
)

RACY = 2_000_000_000  # ns; a younger file may still change without a change of its times


def pictures(folder: Path) -> dict[str, Path]:
    """Picture files in a folder and its subfolders, sorted by their relative names.

    Hidden files and SYSTEM_FOLDERS are left out: operating systems keep their own data in them.
    """
    return {name: path for name, path in files(folder).items() if name.lower().endswith(PICTURES)}


def files(folder: Path) -> dict[str, Path]:
    """Files of all kinds in a folder and its subfolders, but those of operating systems."""
    found = {}
    seen = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [
            name for name in folders if name[0] != "." and name.lower() not in SYSTEM_FOLDERS
        ]
        inside = Path(parent).relative_to(folder).parts
        for name in names:
            if not name.startswith("."):
                found["/".join((*inside, name))] = Path(parent, name)
    return dict(sorted(found.items()))


def printable(path: Path | str) -> str:
    """A path or name on one line: control characters and bytes that are not UTF-8 are spelled."""
    return "".join(map(_spelled, str(path)))


def _spelled(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # how Python keeps a byte that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def content(paths: Sequence[Path], cache: Path | None = None) -> str | None:
    """Hex sha256 of files and of the pictures in folders; None if one cannot be read.

    Pipes, sockets and devices cannot be read: some of them never end.

    The job that needs the file says why it cannot be read, so that jobs of other datasets run.

    Parameters
    ----------
    paths
        Files and folders. A folder counts by the names and bytes of its pictures, not by its place.
    cache
        JSON file that remembers the digests of files. Without it, every byte is read.
    """
    if not all(path.exists() for path in paths):
        return None
    known = _remembered(cache)
    fresh: dict[str, list[Any]] = {}
    try:
        parts = [list(_parts(path, known, fresh)) for path in paths]
    except OSError:
        return None
    if cache and fresh:
        _remember(cache, _remembered(cache) | fresh)  # another call may have written it meanwhile
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _parts(
    path: Path, known: dict[str, Any], fresh: dict[str, list[Any]]
) -> Iterator[tuple[str, str]]:
    """Names and digests of a folder's pictures, or the digest of a file, whatever its name."""
    path = path.absolute()
    for name, file in (pictures(path) if path.is_dir() else {"": path}).items():
        key, stat = str(file), file.stat()
        if not S_ISREG(stat.st_mode):
            raise OSError(f"{file} is no ordinary file")
        state = [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        match known.get(key):
            case [*before, str(sha256)] if before == state:
                pass
            case _:
                with file.open("rb") as opened:
                    sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
                if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > RACY:
                    fresh[key] = [*state, sha256]
        yield name, sha256


def _remembered(cache: Path | None) -> dict[str, Any]:
    try:
        known = json.loads(cache.read_text("utf-8")) if cache else {}
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(cache: Path, known: dict[str, Any]) -> None:
    """Write the cache; where that is not possible, digests are computed each time."""
    with suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        with replacing(cache) as new:
            new.write_text(json.dumps(known), "utf-8")
