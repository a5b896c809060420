"""Leases: which objects running jobs use that no link leads to yet.

A job writes a lease, a small file with its store keys, before it looks for the first object, and
ends the lease after it has set the last link. A cleaner announces itself, then reads links and
leases, moves an object away, and reads the leases again before it removes the object. So one of
two things happens:

- The lease was there at the second look. The cleaner puts the object back.
- The lease came later. Then the job looks for the object after it was moved, and computes it.

A lease that ends while a cleaner is at work stays for this cleaner as `.done`, because the
cleaner may have read the links before the job set its own. No clock decides any of this. Only
leases of killed jobs need a time: they count for DAYS, by the clock of the file server alone.
"""

import os
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rdpipe.common.atomic import replacing
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json, write_json
from rdpipe.store.objects import Store

DAYS = 60  # longer than any job runs
CLEANER_DAYS = 1  # longer than any cleaner runs
ACTIVE, DONE, CLEANER = ".json", ".done", ".cleaner"


@contextmanager
def leased(store: Store, keys: Collection[str], state: Path | None = None) -> Iterator[None]:
    """Keep the objects of these keys, and a state file, from all cleaners while the block runs.

    A job in a store that it cannot write has no lease.
    """
    lease = _new(store, ACTIVE, {"keys": sorted(keys), "state": state.name if state else None})
    try:
        yield
    finally:
        if lease:
            with suppress(OSError):
                _end(lease)


class Cleaner:
    """What leases say to one cleaner.

    Attributes
    ----------
    now
        The time in seconds of the epoch, by the clock of the file server once it is announced.
    """

    def __init__(self, store: Store, announcement: Path | None = None) -> None:
        self._folder = store.root / "leases"
        self._known: dict[str, set[str]] = {}
        self.now = announcement.stat().st_mtime if announcement else time.time()

    def leased(self) -> set[str]:
        """Keys of objects and names of states that jobs use now; all leases are looked at anew.

        Raises
        ------
        RdpipeError
            If a lease cannot be read.
        """
        try:
            self._known = {
                lease.stem: self._known.get(lease.stem) or self._names(lease)
                for lease in _list(self._folder)
                if lease.suffix in (ACTIVE, DONE) and not self._outlived(lease, DAYS)
            }
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise RdpipeError(
                f"{self._folder} cannot be read ({error}), so nobody knows which objects jobs "
                "use; mend that."
            ) from None
        return set().union(*self._known.values())

    def others(self, announcement: Path) -> list[Path]:
        """Announcements of other cleaners that may be at work."""
        others = [path for path in _list(self._folder) if path.suffix == CLEANER]
        return [
            path
            for path in others
            if path != announcement and not (self._outlived(path, CLEANER_DAYS) or _ended(path))
        ]

    def end(self, announcement: Path) -> None:
        """Withdraw an announcement, and remove leases that nobody needs any more."""
        announcement.unlink(missing_ok=True)
        paths = _list(self._folder)
        # only now: a cleaner that begins later reads links that these jobs have already set
        alone = not self.others(announcement)
        for path in paths:
            days = CLEANER_DAYS if path.suffix == CLEANER else DAYS
            if (
                (alone and path.suffix == DONE)
                or self._outlived(path, days)
                or (path.suffix == CLEANER and _ended(path))
            ):
                with suppress(OSError):
                    path.unlink()

    def _outlived(self, path: Path, days: float) -> bool:
        with suppress(FileNotFoundError):  # else it has just ended
            return path.stat().st_mtime < self.now - 86400 * days
        return False

    def _names(self, lease: Path) -> set[str]:
        for path in (lease, lease.with_suffix(DONE)):
            with suppress(FileNotFoundError):
                said = read_json(path)
                return {*said["keys"], said["state"]} - {None}
        return set()  # it ended before its job knew of this cleaner, so its links are there


@contextmanager
def announced(store: Store) -> Iterator[Cleaner]:
    """Announce a cleaner to all jobs while the block runs.

    Raises
    ------
    RdpipeError
        If the store cannot be written, or another cleaner is at work.
    """
    folder = store.folder("leases")
    announcement = _new(store, CLEANER, {})
    if announcement is None:
        raise RdpipeError(f"{folder} cannot be written; mend that.")
    cleaner = Cleaner(store, announcement)
    try:
        if others := cleaner.others(announcement):
            raise RdpipeError(
                f"another `rdpipe clean` is at work in {store.root}; if it was killed, remove "
                f"{others[0]}."
            )
        yield cleaner
    finally:
        cleaner.end(announcement)


def _new(store: Store, suffix: str, said: dict[str, object]) -> Path | None:
    """Write a new file among the leases; None if the store cannot be written."""
    said |= {"host": socket.gethostname(), "process": os.getpid()}
    try:
        path = store.folder("leases") / f"{os.urandom(8).hex()}{suffix}"
        with replacing(path) as new:
            write_json(new, said)
            new.chmod(0o444)
    except (OSError, RdpipeError):
        return None
    return path


def _end(lease: Path) -> None:
    if any(path.suffix == CLEANER for path in _list(lease.parent)):
        lease.rename(lease.with_suffix(DONE))
    else:
        lease.unlink()


def _ended(announcement: Path) -> bool:
    """Whether a cleaner of this host was killed; of other hosts, nobody knows."""
    try:
        said = read_json(announcement)
        if said["host"] == socket.gethostname():
            os.kill(said["process"], 0)
    except (FileNotFoundError, ProcessLookupError):
        return True
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return False


def _list(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
