"""The store: computed results under the digest of all that they depend on.

An object is a folder of read-only files and a `record.json`, which holds the sha256 and the
content digest of each file beside what the object was made from. It is written under a temporary
name and renamed, so a key either has a whole object or none; the first writer wins. Results are
published as relative symbolic links into the store.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpipe.digests import content_digest, file_sha256
from rdpipe.errors import RdpipeError
from rdpipe.files import read_json, write_json

RECORD = "record.json"


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
        if not folder.is_dir():
            return None
        if all(_intact(folder, name) for name in _files(folder)) and _files(folder):
            return folder
        self._set_aside(folder)
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
            write_json(folder / RECORD, {"key": key, **record(), "files": files})
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

    def _set_aside(self, folder: Path) -> None:
        damaged = self.root / "damaged"
        damaged.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another job has just done the same
            folder.rename(tempfile.mkdtemp(prefix=f"{folder.name[:12]}-", dir=damaged))

    def content(self, path: Path) -> str:
        """Content digest of an input: from its record if it is published, else from the file.

        Raises
        ------
        RdpipeError
            If the file does not hold the bytes that its record says. Its object is set aside, so
            that the next call of the workflow computes it again.
        """
        real = path.resolve()
        if not real.is_relative_to(self.root.resolve()) or not (real.parent / RECORD).is_file():
            return content_digest(real)
        if not _intact(real.parent, real.name):
            self._set_aside(real.parent)
            raise RdpipeError(
                f"{path} was damaged after it had been stored, and is now set aside in "
                f"{self.root / 'damaged'}: call snakemake again to compute it anew."
            )
        return str(_files(real.parent)[real.name]["content"])


def publish(folder: Path, links: Mapping[str, Path]) -> None:
    """Link files of an object to where the workflow expects them.

    Parameters
    ----------
    folder
        The object's folder.
    links
        File name in the object -> path of the link. A link is relative, so that a results folder
        that is copied or moved with its store keeps working, and replaces what was there.
    """
    for name, link in links.items():
        if not (folder / name).is_file():
            raise RdpipeError(
                f"{folder} holds no {name}: this is a fault of rdpipe, please report it."
            )
        place_link(link, os.path.relpath(folder.resolve() / name, link.parent.resolve()))


def place_link(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, at once, replacing what was there."""
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _files(folder: Path) -> dict[str, Any]:
    try:
        return dict(read_json(folder / RECORD)["files"])
    except (OSError, ValueError, KeyError):
        return {}


def _intact(folder: Path, name: str) -> bool:
    path, said = folder / name, _files(folder).get(name)
    return said is not None and path.is_file() and file_sha256(path) == said["sha256"]
