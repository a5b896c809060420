"""Roots: the folders of results whose links lead into a store.

Every checkout registers its folder of results in the store before it sets its first link. The
folder gets an empty file `.root-<token>`, and the store gets `roots/<token>.json`, which says where
the folder lies. So a folder is known again even if two hosts have different folders of one path.
The path is relative to the store if the store's path is relative, as links are, so that results
and store can move together.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rdpipe.common.atomic import flush, replacing
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json, write_json
from rdpipe.store.objects import OBJECT, Store

MARK = ".root-"  # begins the name of the file in the results; the token ends it


@dataclass(frozen=True)
class Root:
    """A registered folder of results.

    Attributes
    ----------
    file
        Its registration in the store.
    path
        Where the folder lies, or lay.
    host
        The host that registered it.
    """

    file: Path
    path: Path
    host: str

    def fault(self) -> str:
        """Why the links of this root cannot be counted; the empty string if they can."""
        try:
            (self.path / f"{MARK}{self.file.stem}").stat()
        except (FileNotFoundError, NotADirectoryError):
            if self.path.exists():
                return "there are other results now"
            return "it is gone, or its disk is not mounted"
        except OSError as error:
            return str(error.strerror)
        return ""


def register(store: Store, results: Path) -> None:
    """Let a store know a folder whose links lead into it. A known folder costs a short look.

    A store that cannot be written keeps no roots: nothing happens.
    """
    where = _where(store, results)
    for mark in results.glob(f"{MARK}*"):
        with suppress(OSError, ValueError, LookupError, TypeError):
            root = _read(store, f"{mark.name.removeprefix(MARK)}.json")
            if root.path == _absolute(store, where):  # else the mark was copied with the results
                return
    with suppress(OSError, RdpipeError):
        token = os.urandom(8).hex()
        folder = store.folder("roots")
        results.mkdir(parents=True, exist_ok=True)
        (results / f"{MARK}{token}").touch()
        with replacing(folder / f"{token}.json") as new:
            write_json(new, {"path": where, "host": socket.gethostname()})
            new.chmod(0o444)
        flush(folder)


def roots(store: Store) -> list[Root]:
    """All registered folders.

    Raises
    ------
    RdpipeError
        If a registration cannot be read.
    """
    try:
        files = sorted((store.root / "roots").iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(store, error) from None
    try:
        return [_read(store, file.name) for file in files if not file.name.startswith(".")]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _unreadable(store, error) from None


def forget(store: Store, results: Path) -> None:
    """Remove the registration of a folder that is gone for good.

    Raises
    ------
    RdpipeError
        If no such folder is registered, or it is still there.
    """
    gone = [root for root in roots(store) if root.path == results.resolve()]
    if not gone:
        raise RdpipeError(f"{store.root} knows no results in {results}; `rdpipe clean` names them.")
    for root in gone:
        if not root.fault():
            raise RdpipeError(f"{root.path} is still there; remove it first.")
        root.file.unlink(missing_ok=True)


def links(results: Path, store: Store) -> Iterator[tuple[Path, Path]]:
    """All links in a folder that lead to files of objects, each with the path it leads to.

    Folders behind links count, too; links to folders come last, so that a result that has a second
    name is found under its own. The store itself may lie in the folder, and is left out.

    Raises
    ------
    OSError
        If a part of the folder cannot be read.
    """
    seen = set()
    with suppress(FileNotFoundError):  # nothing was stored yet
        stat = store.root.stat()
        seen.add((stat.st_dev, stat.st_ino))

    def fails(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError) or Path(error.filename) == results:
            raise error

    waiting = [results]
    while waiting:
        for parent, folders, names in os.walk(waiting.pop(0), onerror=fails):
            try:
                stat = Path(parent).stat()
            except FileNotFoundError:  # removed meanwhile
                continue
            if (stat.st_dev, stat.st_ino) in seen:
                folders.clear()
                continue
            seen.add((stat.st_dev, stat.st_ino))
            waiting += [path for name in folders if (path := Path(parent, name)).is_symlink()]
            for name in names:
                link = Path(parent, name)
                with suppress(FileNotFoundError):  # replaced meanwhile
                    if link.is_symlink() and OBJECT.search(
                        (target := link.readlink()).parent.as_posix()
                    ):
                        yield link, link.parent / target


def _where(store: Store, results: Path) -> str:
    """The path of results as the store registers it."""
    if store.root.is_absolute():
        return str(results.absolute())
    return os.path.relpath(results.resolve(), store.root.resolve())


def _absolute(store: Store, where: str) -> Path:
    return (store.root.resolve() / where).resolve()


def _read(store: Store, name: str) -> Root:
    file = store.root / "roots" / name
    said = read_json(file)
    return Root(file, _absolute(store, said["path"]), str(said["host"]))


def _unreadable(store: Store, error: Exception) -> RdpipeError:
    return RdpipeError(
        f"{store.root / 'roots'} cannot be read ({error}), so nobody knows which objects are "
        "needed; mend that."
    )
