"""Links in `results/`: they publish objects of a store where the workflow expects its files."""

import errno
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from rdpipe.common.atomic import replacing
from rdpipe.common.errors import RdpipeError


def publish(folder: Path, links: Mapping[str, Path]) -> bool:
    """Link files of an object to where the workflow expects them.

    Parameters
    ----------
    folder
        The object's folder. If its path is relative, the links are relative, and the results keep
        working when they are moved or copied together with the store. If its path is absolute, the
        links are absolute, and the results can be moved alone.
    links
        File name in the object -> path of the link, which replaces the file that was there.

    Returns
    -------
    bool
        Whether the object is still there. A cleaner may have moved it away for a moment.

    Raises
    ------
    RdpipeError
        If the object lacks one of the files.
    """
    for name, link in links.items():
        if not (folder / name).is_file():
            if not folder.is_dir():
                return False
            raise RdpipeError(
                f"{folder} holds no {name}: this is a fault of rdpipe, please report it."
            )
        if folder.is_absolute():
            place_link(link, str(folder / name))
        else:
            place_link(link, os.path.relpath(folder.resolve() / name, link.parent.resolve()))
    return folder.is_dir()


def place_link(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, in one step; a file or link there is replaced.

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
    with replacing(link) as new:
        new.symlink_to(target)


def set_plain_names(
    links: Mapping[str, str], keep: Callable[[str], bool] = lambda name: False
) -> dict[str, str]:
    """Let plain names show the results of a study, as far as these are there.

    Parameters
    ----------
    links
        Path of a plain name, such as results/demo/figures/fig3.pdf -> path of its current result,
        relative to the folder of the name.
    keep
        Whether a name whose current result is not there may go on showing an older one. It is asked
        with the path of the name.

    Returns
    -------
    dict
        Path of each name that was removed -> the older result that it showed.
    """
    removed = {}
    for name, target in links.items():
        link = Path(name)
        if Path(os.path.normpath(link.parent / target)).exists():
            place_link(link, target)
        elif link.is_symlink() and not keep(name):
            removed[name] = os.path.normpath(link.parent / link.readlink())
            link.unlink()
    return removed


def leave_the_future(links: Iterable[str]) -> None:
    """Set the time of links to now if it lies in the future, as after a clock was set back.

    Snakemake fails a job whose outputs are older than its inputs, even if these are `ancient`.

    Parameters
    ----------
    links
        Paths of results that exist.
    """
    now = time.time()
    for link in links:
        with suppress(OSError):  # of another user
            if os.lstat(link).st_mtime > now:
                os.utime(link, follow_symlinks=False)


def remove_lost(links: Iterable[str], root: Path) -> None:
    """Remove links whose objects are gone, so that Snakemake computes these results again.

    Snakemake takes a link that leads nowhere for a file that was deleted while it ran, and ends.

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
    """Check that a folder has room for a mebibyte of logs and records.

    Snakemake takes this room for granted, and ends with a traceback if there is none.

    Raises
    ------
    RdpipeError
        If the disk, or the user's quota, is full.
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
