"""The contents of a store: which objects results need, and how the rest is removed."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

from rdpipe.store.objects import OBJECT, Store


def contents(store: Store, results: Path) -> dict[str, list[Path]]:
    """Everything in a store, by kind.

    Objects are "needed" if a link in the folder `results` leads to them, else "other". The other
    kinds are folders of the store: "state", "damaged", "tmp".
    """
    needed = _needed(results)
    held: dict[str, list[Path]] = {"needed": [], "other": []}
    for folder in sorted(store.root.glob("objects/??/*")):
        held["needed" if folder.name in needed else "other"].append(folder)
    for name in ("state", "damaged", "tmp"):
        held[name] = sorted((store.root / name).glob("*"))
    return held


def _needed(results: Path) -> set[str]:
    """Keys of the objects to which links in a folder lead."""
    paths = (Path(parent, name) for parent, _, names in os.walk(results) for name in names)
    objects = (path.readlink().parent for path in paths if path.is_symlink())
    return {folder.name for folder in objects if OBJECT.search(folder.as_posix())}


def size(paths: Sequence[Path]) -> int:
    """Bytes of files and of folders with everything in them."""
    return sum(stat.st_size for path in paths for stat in _stats(path))


def last_change(path: Path) -> float:
    """When a file, or anything in a folder, was last written or moved.

    In seconds of the epoch; infinite if the path does not exist.
    """
    return max((stat.st_ctime for stat in _stats(path)), default=inf)


def remove(store: Store, path: Path) -> None:
    """Remove a file or folder of a store; other jobs never see half of it.

    Raises
    ------
    OSError, RdpipeError
        If it may not be removed, for example because it belongs to another user.
    """
    doomed = path.replace(store.folder("tmp") / f"{path.name}-removed")
    if doomed.is_dir():
        shutil.rmtree(doomed)
    else:
        doomed.unlink()


def _stats(path: Path) -> Iterator[os.stat_result]:
    """The status of a path and of all files in it, without those that are gone by now."""
    inside = (Path(parent, name) for parent, _, names in os.walk(path) for name in names)
    for part in (path, *inside):
        with suppress(FileNotFoundError):
            yield part.lstat()
