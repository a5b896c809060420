"""Snakemake's lock on a folder, after the call that took it was killed.

Snakemake writes lock files into `.snakemake/locks`. A killed call leaves them there, and Snakemake
cannot tell them from the lock files of a living call. The kernel can: every call holds a shared
lock on the file `.snakemake/calls` until its process ends, in whatever way it ends. A call that
gets this lock for itself alone is the only living call on this host. Process ids and start times
would not say that safely: ids are used again, clocks are changed, and containers count processes
anew.

Other hosts may share the folder, and not every file system shows a lock to other hosts. So each
call also writes its host into the file, before Snakemake can lock anything.
"""

import fcntl
import os
import socket
from pathlib import Path


def enter(folder: Path) -> str:
    """Count this call among the living ones, and remove the lock files of killed ones.

    The lock files stay if another call is alive, if a call on another host may have written them,
    or if nothing says who wrote them.

    Parameters
    ----------
    folder
        Snakemake's own folder, `.snakemake`. It is created if it is missing.

    Returns
    -------
    A sentence for the user if there is something to tell, else the empty string.
    """
    try:
        folder.mkdir(exist_ok=True)
        # Never closed: the kernel lets go of the lock when this process ends.
        calls = os.open(folder / "calls", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        alone = _lock_alone(calls)
        said = _remove_left_locks(folder, calls) if alone else ""
        os.write(calls, f"{socket.gethostname()} {os.getpid()}\n".encode())
        fcntl.flock(calls, fcntl.LOCK_SH)
    except OSError:  # a file system without locks, or a folder of someone else
        return ""  # Snakemake's own lock decides alone
    return said


def _lock_alone(calls: int) -> bool:
    try:
        fcntl.flock(calls, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(calls, fcntl.LOCK_SH)
        return False
    return True


def _remove_left_locks(folder: Path, calls: int) -> str:
    """Remove the lock files and forget earlier calls, if all of those ran on this host."""
    before = [line.split() for line in os.pread(calls, 1 << 20, 0).decode().splitlines()]
    locks = list((folder / "locks").glob("*.lock"))
    others = sorted({host for host, _ in before} - {socket.gethostname()})
    if locks and others:
        return (
            f"This folder is locked, perhaps by a call on {', '.join(others)}. This host cannot "
            "tell whether that call lives. If it does not: `snakemake --unlock`, then call again."
        )
    if locks and not before:
        return ""
    for lock in locks:
        lock.unlink(missing_ok=True)
    os.ftruncate(calls, 0)
    if not locks:
        return ""
    _, process = before[-1]
    return f"The last call (process {process}) was killed. Its lock is removed; the study goes on."
