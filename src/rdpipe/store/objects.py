"""The store: computed results under the digest of everything they depend on.

An object is a folder of read-only files and a `record.json`. The record holds the sha256 and the
content digest of each file, and says what the object was made from. An object is written under a
temporary name and renamed, so a key has a whole object or none. The first writer wins. Bytes are
flushed to the disk before names that lead to them, so a power cut leaves no half of an object.

Checkouts, users and hosts may share a store, also on a network file system. So the store needs no
locks, no clocks and no hard links, and expects that changes by other hosts are seen late.
"""

import errno
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpipe.common.atomic import flush
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json, write_json
from rdpipe.store.digests import content_digest, digest, file_sha256

RECORD = "record.json"
OBJECT = re.compile(r"/objects/[0-9a-f]{2}/[0-9a-f]{64}$")  # the folder of an object, in any store
GONE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ESTALE)  # errors of a file that is no more

Files = dict[str, dict[str, str]]  # file name -> what its record says of it


class Damaged(Exception):
    """An object is not what its record says. The message says in what way."""


@dataclass(frozen=True)
class Store:
    """A store in the folder `root`, which may be shared.

    All folders of the store take the mode of `root`, so that everybody who can use `root` can use
    them.
    """

    root: Path

    def path(self, key: str) -> Path:
        """The folder of the object of `key`, whether or not it exists."""
        return self.root / "objects" / key[:2] / key

    def folder(self, *names: str) -> Path:
        """A folder of the store, which is made if it is missing, and can be written.

        Raises
        ------
        RdpipeError
            If it cannot be made or written.
        """
        folder = self.root
        try:
            new = [one for one in (folder, *folder.parents) if not one.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            for one in new:
                flush(one.parent)
            mode = stat.S_IMODE(folder.stat().st_mode)
            for name in names:
                folder = folder / name
                with suppress(FileExistsError):
                    folder.mkdir()
                    folder.chmod(mode)  # whatever this user's umask
                    flush(folder.parent)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        except OSError as error:
            raise RdpipeError(
                f"the store cannot be written: {error}; mend that, "
                "or name a folder of your own as `store` in the config."
            ) from None
        return folder

    def find(self, key: str) -> Path | None:
        """The object's folder, or None if there is no such object or it is damaged.

        A damaged object is set aside, so that it can be computed again.

        Raises
        ------
        RdpipeError
            If the object cannot be read, or is damaged and cannot be set aside.
        """
        folder = self.path(key)
        return folder if _sound(folder) is not None else None

    def prepare(self, key: str) -> None:
        """Check, before anything is computed, that an object of this key can be added.

        Raises
        ------
        RdpipeError
            If the store cannot be written.
        """
        self.folder("tmp")
        self.folder("objects", key[:2])

    def add(self, key: str, write: Callable[[Path], None], record: Callable[[], Any]) -> Path:
        """Make the object of `key` and return its folder.

        If another writer was faster, its object is kept, and its folder returned.

        Parameters
        ----------
        key
            The store key.
        write
            Puts the object's files into an empty folder.
        record
            Gives the provenance to be recorded beside the digests of the files. It is called after
            they are written, so it can say how long that took.
        """
        folder = Path(tempfile.mkdtemp(prefix=f"{key[:12]}-", dir=self.folder("tmp")))
        try:
            write(folder)
            files = {path.name: _description(path) for path in sorted(folder.iterdir())}
            body = {"key": key, **record(), "files": files}
            write_json(folder / RECORD, {**body, "digest": digest(body)})
            flush(folder / RECORD)
            for path in folder.iterdir():
                path.chmod(0o444)
            folder.chmod(stat.S_IMODE(self.root.stat().st_mode))  # mkdtemp lets nobody else in
            flush(folder)
            return self._install(folder, key)
        finally:
            if _inode(folder) is not None:  # asked anew: the old name must not lead to the object
                shutil.rmtree(folder, ignore_errors=True)

    def _install(self, folder: Path, key: str) -> Path:
        """Rename a written object to its place, unless there is an object already."""
        final = self.folder("objects", key[:2]) / key
        pauses = iter((0, 1, 5))  # s
        while True:
            try:
                folder.rename(final)
            except OSError as error:
                if self.find(key):  # another writer's; or ours, and the server's answer was lost
                    return final
                taken = error.errno in (errno.EEXIST, errno.ENOTEMPTY)
                if not taken or (pause := next(pauses, None)) is None:
                    raise
                time.sleep(pause)  # a damaged object is set aside by now; another may be seen late
            else:
                flush(final.parent)
                return final


def content_of(path: Path) -> str:
    """Content digest of an input: from the object's record if it lies in a store, else computed.

    Raises
    ------
    RdpipeError
        If a file of a store is gone, or does not have the sha256 of its record. Its object is set
        aside, so that the next call of the workflow computes it again.
    """
    real = path.resolve()
    if not OBJECT.search(real.parent.as_posix()):
        return content_digest(real)
    files = _sound(real.parent, real.name)
    if files is None:
        raise RdpipeError(
            f"{path} was damaged after it had been stored, and is set aside; "
            "call snakemake again to compute it anew."
        )
    return files[real.name]["content"]


def _sound(folder: Path, name: str | None = None) -> Files | None:
    """The record's description of an object's files; None if the object is missing or damaged.

    All its files, or the one with this name, are compared with the record. An object is set aside
    as damaged only if the same folder was found damaged twice: another job may have replaced it
    between two looks.
    """
    suspect = None
    try:
        while (found := _inode(folder)) is not None:
            with suppress(Damaged):
                return read(folder, folder.name, name)
            if found == suspect:
                _set_aside(folder, name)
            suspect = found
    except OSError as error:
        raise RdpipeError(
            f"the store cannot be read: {error}; mend that, "
            "or name a folder of your own as `store` in the config."
        ) from None
    return None


def _inode(folder: Path) -> int | None:
    """The number of a folder's inode; None if there is no such folder."""
    try:
        # a network file system remembers which names a folder has and lacks; opening the folder
        # makes it ask the server
        for parent in reversed(folder.parents[:3]):
            with suppress(PermissionError):
                os.close(os.open(parent, os.O_RDONLY | os.O_DIRECTORY))
        return folder.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def read(folder: Path, key: str, name: str | None = None) -> Files:
    """The record's description of an object's files, after all of them, or one, were compared.

    Parameters
    ----------
    folder
        Where the object lies.
    key
        The store key that its record must have.
    name
        The file to compare; without it, all files are compared.

    Raises
    ------
    Damaged
        If the object is not what its record says.
    OSError
        If a file cannot be read. It may still be whole.
    """
    files: Files = record_of(folder, key)["files"]
    try:
        for file in files if name is None else [name]:
            if file not in files:
                raise Damaged(f"{RECORD} does not know {file}")
            if file_sha256(folder / file) != files[file]["sha256"]:
                raise Damaged(f"{file} has other bytes than {RECORD} says")
    except OSError as error:
        if error.errno in GONE:
            raise Damaged(f"{Path(error.filename or folder).name} is missing") from None
        raise
    return files


def record_of(folder: Path, key: str) -> dict[str, Any]:
    """The record of an object, if its own digest and its key are right.

    Raises
    ------
    Damaged
        If they are not, or if there is no record.
    OSError
        If the record cannot be read.
    """
    try:
        body = dict(read_json(folder / RECORD))
        whole = body.pop("digest") == digest(body)
        for name, said in body["files"].items():
            whole &= Path(name).name == name and {"sha256", "content"} <= said.keys()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        whole = False
    except OSError as error:
        if error.errno in GONE:
            raise Damaged(f"{RECORD} is missing") from None
        raise
    if not whole:
        raise Damaged(f"{RECORD} is damaged")
    if body.get("key") != key:
        raise Damaged(f"{RECORD} is that of another object")
    return body


def _set_aside(folder: Path, name: str | None) -> None:
    """Move an object that is damaged, or whose file `name` is, into its store's `damaged`."""
    try:
        token = os.urandom(4).hex()  # no other process or host has the same one
        aside = Store(folder.parents[2]).folder("damaged") / f"{folder.name[:12]}-{token}"
        folder.rename(aside)
    except RdpipeError as error:
        raise RdpipeError(f"{folder} is damaged, and {error}") from None
    except FileNotFoundError:  # another job has just done the same
        return
    except OSError as error:
        raise RdpipeError(
            f"{folder} is damaged and cannot be set aside ({error.strerror}); let its owner remove "
            "it, then call snakemake again to compute it anew."
        ) from None
    with suppress(Damaged, OSError):  # there may be a still newer one
        read(aside, folder.name, name)  # else another job had just put a new object there
        aside.rename(folder)


def _description(path: Path) -> dict[str, int | str]:
    """What a record says of a file."""
    flush(path)
    return {
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
        "content": content_digest(path),
    }
