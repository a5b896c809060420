"""The contents of a store: which objects results need, and how the rest is removed."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path

from rdpipe.common.errors import RdpipeError
from rdpipe.store.leases import Cleaner
from rdpipe.store.objects import Store
from rdpipe.store.roots import links, roots


@dataclass(frozen=True)
class Contents:
    """Everything in a store.

    Attributes
    ----------
    held
        Paths by kind. Objects are "needed" if a link in the results of any checkout leads to them.
        What running jobs use is "in use". The rest are "other" objects, and what lies in the
        folders "state", "damaged" and "tmp".
    unknown
        Registered results whose links could not be counted, each with the reason. They may need
        some of the other objects.
    """

    held: dict[str, list[Path]]
    unknown: list[str]


def contents(store: Store, results: Path, cleaner: Cleaner) -> Contents:
    """Look through a store, the results of this checkout, and those of all registered ones.

    Raises
    ------
    RdpipeError
        If the results of this checkout, a registration or a lease cannot be read.
    """
    leased = cleaner.leased()
    needed, unknown = _needed(store, results)
    held: dict[str, list[Path]] = {kind: [] for kind in ("needed", "in use", "other")}
    for folder in sorted(store.root.glob("objects/??/*")):
        unlinked = "in use" if _in_use(folder, leased) else "other"
        held["needed" if folder.name in needed else unlinked].append(folder)
    for kind in ("state", "damaged", "tmp"):
        held[kind] = []
        for path in sorted((store.root / kind).glob("*")):
            held["in use" if _in_use(path, leased) else kind].append(path)
    return Contents(held, unknown)


def _needed(store: Store, results: Path) -> tuple[set[str], list[str]]:
    """Keys of the objects to which links lead; and the roots whose links cannot be counted."""
    keys: set[str] = set()
    unknown: list[str] = []
    if results.exists():
        try:
            keys.update(target.parent.name for _, target in links(results, store))
        except OSError as error:
            raise RdpipeError(f"the results here cannot be read: {error}; mend that.") from None
    for root in roots(store):
        fault = root.fault()
        try:
            if not fault and not root.path.samefile(results):
                keys.update(target.parent.name for _, target in links(root.path, store))
        except OSError as error:
            fault = str(error)
        if fault:
            unknown.append(f"{root.path} (registered by {root.host}): {fault}")
    return keys, unknown


def _in_use(path: Path, leased: set[str]) -> bool:
    """Whether a job has a lease of an object, or of the object or state that a file belongs to."""
    beginning = path.name.lstrip(".")[:12]
    return any(name.startswith(beginning) for name in leased)


def size(paths: Sequence[Path]) -> int:
    """Bytes of files and of folders with everything in them."""
    return sum(stat.st_size for path in paths for stat in _stats(path))


def last_change(path: Path) -> float:
    """When a file, or anything in a folder, was last written or moved.

    In seconds of the epoch; infinite if the path does not exist.
    """
    return max((stat.st_ctime for stat in _stats(path)), default=inf)


def remove(store: Store, path: Path, cleaner: Cleaner) -> bool:
    """Remove a file or folder of a store; other jobs never see half of it.

    Returns
    -------
    bool
        Whether it is removed. It stays if a job has begun to use it.

    Raises
    ------
    OSError, RdpipeError
        If it may not be removed, for example because it belongs to another user.
    """
    if _in_use(path, cleaner.leased()):
        return False
    token = os.urandom(4).hex()
    doomed = store.folder("tmp") / f"{path.name.lstrip('.')}-removed-{token}"
    try:
        path.rename(doomed)
    except FileNotFoundError:  # a job has just ended with it
        return True
    if _in_use(path, cleaner.leased()) and not path.exists():
        with suppress(OSError):  # a job has just put a new one there
            doomed.rename(path)
            return False
    if doomed.is_dir() and not doomed.is_symlink():
        shutil.rmtree(doomed)
    else:
        doomed.unlink()
    return True


def _stats(path: Path) -> Iterator[os.stat_result]:
    """The status of a path and of all files in it, without those that are gone by now."""
    inside = (Path(parent, name) for parent, _, names in os.walk(path) for name in names)
    for part in (path, *inside):
        with suppress(FileNotFoundError):
            yield part.lstat()
