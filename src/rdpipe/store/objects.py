"""The store: computed results under the digest of all that they depend on.

An object is a folder of read-only files and a `record.json`, which holds the sha256 and the
content digest of each file beside what the object was made from. It is written under a temporary
name and renamed, so a key either has a whole object or none; the first writer wins. Results are
published as symbolic links into the store.

Checkouts, users and hosts may share a store, also on a network file system. So nothing rests on
locks, on times or on hard links, and what another host has done may be seen late.
"""

import errno
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json, write_json
from rdpipe.store.digests import content_digest, digest, file_sha256

RECORD = "record.json"
OBJECT = re.compile(r"/objects/[0-9a-f]{2}/[0-9a-f]{64}$")  # the folder of an object, in any store


@dataclass(frozen=True)
class Store:
    """A store in the folder `root`, which may be shared.

    Its own folders take the mode of `root`, so that whom that lets in, all of it lets in.
    """

    root: Path

    def path(self, key: str) -> Path:
        """Where the object of `key` lies, whether or not it exists."""
        return self.root / "objects" / key[:2] / key

    def folder(self, *names: str) -> Path:
        """A folder of the store's own, which is made if need be and can be written.

        Raises
        ------
        RdpipeError
            If it cannot.
        """
        folder = self.root
        try:
            folder.mkdir(parents=True, exist_ok=True)
            mode = stat.S_IMODE(folder.stat().st_mode)
            for name in names:
                folder = folder / name
                with suppress(FileExistsError):
                    folder.mkdir()
                    folder.chmod(mode)  # whatever the umask of who comes first
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

        A damaged one is set aside, so that the key is free to be computed again.

        Raises
        ------
        RdpipeError
            If it cannot be read, or is damaged and cannot be set aside.
        """
        folder = self.path(key)
        return folder if _sound(folder) else None

    def prepare(self, key: str) -> None:
        """See to it, before anything is computed, that an object of this key can be added.

        Raises
        ------
        RdpipeError
            If the store cannot be written.
        """
        self.folder("tmp")
        self.folder("objects", key[:2])

    def add(self, key: str, write: Callable[[Path], None], record: Callable[[], Any]) -> Path:
        """Make the object of `key`: `write` puts its files into an empty folder.

        `record` is called when they are written and gives what the record is to say beside the
        files' digests. If another writer was faster, its object is kept and returned.
        """
        folder = Path(tempfile.mkdtemp(prefix=f"{key[:12]}-", dir=self.folder("tmp")))
        try:
            write(folder)
            paths = sorted(folder.iterdir())
            for path in paths:
                _flush(path)
            files = {
                path.name: {
                    "bytes": path.stat().st_size,
                    "sha256": file_sha256(path),
                    "content": content_digest(path),
                }
                for path in paths
            }
            body = {"key": key, **record(), "files": files}
            write_json(folder / RECORD, {**body, "digest": digest(body)})
            _flush(folder / RECORD)
            for path in folder.iterdir():
                path.chmod(0o444)
            folder.chmod(stat.S_IMODE(self.root.stat().st_mode))  # mkdtemp's shuts others out
            return self._install(folder, key)
        finally:
            if _inode(folder) is not None:  # asked anew: the old name must not lead to the object
                shutil.rmtree(folder, ignore_errors=True)

    def _install(self, folder: Path, key: str) -> Path:
        """Rename a written object to its place, unless that has one."""
        final = self.folder("objects", key[:2]) / key
        pauses = iter((0, 1, 5))  # s
        while True:
            try:
                folder.rename(final)
            except OSError as error:
                if self.find(key):  # of another writer; or ours, and the answer to us was lost
                    return final
                taken = error.errno in (errno.EEXIST, errno.ENOTEMPTY)
                if not taken or (pause := next(pauses, None)) is None:
                    raise
                time.sleep(pause)  # a damaged one is set aside by now, any other yet to be seen
            else:
                return final


def content_of(path: Path) -> str:
    """Content digest of an input: from its record if it lies in a store, else from the file.

    Raises
    ------
    RdpipeError
        If a file of a store is gone, or does not hold the bytes that its record says. Its object
        is set aside, so that the next call of the workflow computes it again.
    """
    real = path.resolve()
    if not OBJECT.search(real.parent.as_posix()):
        return content_digest(real)
    said = _sound(real.parent, real.name)
    if said is None:
        raise RdpipeError(
            f"{path} was damaged after it had been stored, and is set aside; "
            "call snakemake again to compute it anew."
        )
    return said[real.name]["content"]


def publish(folder: Path, links: Mapping[str, Path]) -> None:
    """Link files of an object to where the workflow expects them.

    Parameters
    ----------
    folder
        The object's folder.
    links
        File name in the object -> path of the link, which replaces what was there. Into a store
        whose path is relative, links are relative, so that results that are copied or moved with
        it keep working; into another they are absolute, and only the results can be moved.

    Raises
    ------
    RdpipeError
        If the object lacks one of the files.
    """
    for name, link in links.items():
        if not (folder / name).is_file():
            raise RdpipeError(
                f"{folder} holds no {name}: this is a fault of rdpipe, please report it."
            )
        if folder.is_absolute():
            place_link(link, str(folder / name))
        else:
            place_link(link, os.path.relpath(folder.resolve() / name, link.parent.resolve()))


def place_link(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, at once, replacing what was there.

    Raises
    ------
    RdpipeError
        If there is a folder in its place, as in results that were copied without their links.
    """
    if link.is_dir() and not link.is_symlink():
        raise RdpipeError(
            f"{link} is a folder where a link belongs, so these results were copied without their "
            "links; remove results/ and copy it again with `cp -a`."
        )
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(link)
    temporary.symlink_to(target)
    try:
        temporary.replace(link)
    finally:
        temporary.unlink(missing_ok=True)


def place_json(path: Path, value: Any) -> None:
    """Write JSON at once, replacing what was there."""
    temporary = _beside(path)
    try:
        write_json(temporary, value)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def set_plain_names(links: Mapping[str, str]) -> None:
    """Let plain names show the current study: linked if its result exists, else removed.

    Parameters
    ----------
    links
        Path of a plain name, such as results/figures/fig3.pdf -> the current result beside it.
    """
    for name, target in links.items():
        link = Path(name)
        if (link.parent / target).exists():
            place_link(link, target)
        elif link.is_symlink():
            link.unlink()


def remove_lost(links: Iterable[str], root: Path) -> None:
    """Remove links whose objects are gone, so that what they showed counts as missing.

    Snakemake takes a link that leads nowhere for a file that was deleted under its hands, and ends.

    Parameters
    ----------
    links
        Paths of results, whether or not they exist.
    root
        Folder of the store.

    Raises
    ------
    RdpipeError
        If the store has no objects at all.
    """
    lost = [link for link in map(Path, links) if link.is_symlink() and not link.exists()]
    if lost and not (root / "objects").exists():
        raise RdpipeError(
            f"{lost[0]} leads into a store, but {root.absolute()} has no objects; mount its disk, "
            "or remove results/ to start afresh."
        )
    for link in lost:
        link.unlink(missing_ok=True)


def check_room(folder: Path) -> None:
    """See that there is room for a mebibyte of logs and records, which Snakemake takes for granted.

    Raises
    ------
    RdpipeError
        If the disk, or the user's quota of it, is full.
    """
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(1 << 20))
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RdpipeError(
                f"{folder.absolute()} has no room left ({error.strerror}); make some, then call "
                "snakemake again: nothing was lost."
            ) from None


def _sound(folder: Path, name: str | None = None) -> dict[str, dict[str, str]] | None:
    """What the record of an object says of its files; None if there is no object, or a damaged one.

    Its files, or the one of this name, are held against the record. An object is damaged, and set
    aside, if it is found so twice: another job may have put a new one in its place meanwhile.
    """
    suspect = None
    try:
        while (found := _inode(folder)) is not None:
            if files := _read(folder, folder.name, name):
                return files
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
        # a network file system remembers what was there, and was not; to open a folder makes it ask
        for parent in reversed(folder.parents[:3]):
            with suppress(PermissionError):
                os.close(os.open(parent, os.O_RDONLY | os.O_DIRECTORY))
        return folder.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read(folder: Path, key: str, name: str | None = None) -> dict[str, dict[str, str]] | None:
    """What a record says of the files beside it; None if it, or one of them, is not as it was."""
    try:
        body = read_json(folder / RECORD)
        if body.pop("digest") != digest(body) or body["key"] != key:
            return None
        files = dict(body["files"])
        asked = files if name is None else {name: files[name]}
        intact = all(file_sha256(folder / file) == said["sha256"] for file, said in asked.items())
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ESTALE):
            return None
        raise  # that it cannot be read says nothing of what it holds
    return files if intact else None


def _set_aside(folder: Path, name: str | None) -> None:
    """Move an object that is damaged, or its file of this name, into its store's `damaged`."""
    try:
        aside = Store(folder.parents[2]).folder("damaged") / f"{folder.name[:12]}-{_token()}"
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
    if _read(aside, folder.name, name):  # a new one, put in its place at this very moment
        with suppress(OSError):  # and there is a newer one by now
            aside.rename(folder)


def _flush(path: Path) -> None:
    """Wait until a file is written: a network file system says only now if there was no room."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _beside(path: Path) -> Path:
    """A path for what is to be renamed to `path`."""
    return path.with_name(f".{path.name}.{_token()}")


def _token() -> str:
    """Eight random hex digits, which no other process or host has."""
    return os.urandom(4).hex()
