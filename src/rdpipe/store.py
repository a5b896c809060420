"""The store: computed results under the digest of all that they depend on.

An object is a folder of read-only files and a `record.json`, which holds the sha256 and the
content digest of each file beside what the object was made from. It is written under a temporary
name and renamed, so a key either has a whole object or none; the first writer wins. Results are
published as relative symbolic links into the store.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpipe.digests import content_digest, digest, file_sha256
from rdpipe.errors import RdpipeError
from rdpipe.files import read_json, write_json

RECORD = "record.json"
OBJECT = re.compile(r"/objects/[0-9a-f]{2}/[0-9a-f]{64}$")  # the folder of an object, in any store


@dataclass(frozen=True)
class Store:
    """A store in the folder `root`, which may be shared by several checkouts."""

    root: Path

    def path(self, key: str) -> Path:
        """Where the object of `key` lies, whether or not it exists."""
        return self.root / "objects" / key[:2] / key

    def find(self, key: str) -> Path | None:
        """The object's folder, or None if there is no such object or it is damaged.

        A damaged one is set aside, so that the key is free to be computed again.
        """
        folder = self.path(key)
        if not folder.exists():
            return None
        files = _files(folder)
        if files and all(_intact(folder / name, said) for name, said in files.items()):
            return folder
        _set_aside(folder)
        return None

    def add(self, key: str, write: Callable[[Path], None], record: Callable[[], Any]) -> Path:
        """Make the object of `key`: `write` puts its files into an empty folder.

        `record` is called when they are written and gives what the record is to say beside the
        files' digests. If another writer was faster, its object is kept and returned.
        """
        workspace = self.root / "tmp"
        workspace.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{key[:12]}-", dir=workspace))
        try:
            write(folder)
            paths = sorted(folder.iterdir())
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
            for path in folder.iterdir():
                path.chmod(0o444)
            folder.chmod(0o755)  # mkdtemp's own mode would shut out everyone else
            return self._install(folder, key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _install(self, folder: Path, key: str) -> Path:
        final = self.path(key)
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(final)  # fails if the key has an object: a folder that is not empty
        except OSError:
            if self.find(key) is None:
                folder.rename(final)
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
    said = _files(real.parent).get(real.name)
    if said is None or not _intact(real, said):
        _set_aside(real.parent)
        raise RdpipeError(
            f"{path} was damaged after it had been stored, and is set aside; "
            "call snakemake again to compute it anew."
        )
    return said["content"]


def publish(folder: Path, links: Mapping[str, Path]) -> None:
    """Link files of an object to where the workflow expects them.

    Parameters
    ----------
    folder
        The object's folder.
    links
        File name in the object -> path of the link. A link is relative, so that a results folder
        that is copied or moved with its store keeps working, and replaces what was there.

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
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


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


def _files(folder: Path) -> dict[str, dict[str, str]]:
    """What an object's record says of its files; nothing if the record cannot be believed."""
    try:
        body = read_json(folder / RECORD)
        genuine = body.pop("digest") == digest(body) and body["key"] == folder.name
        return dict(body["files"]) if genuine else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _intact(path: Path, said: Mapping[str, str]) -> bool:
    return path.is_file() and file_sha256(path) == said["sha256"]


def _set_aside(folder: Path) -> None:
    """Move a damaged object out of the way, into its store's folder `damaged`."""
    damaged = folder.parents[2] / "damaged"
    damaged.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # another job has just done the same
        folder.rename(Path(tempfile.mkdtemp(prefix=f"{folder.name[:12]}-", dir=damaged)) / "object")
