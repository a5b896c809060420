"""Provenance: when, where, with which versions and how long an object was computed."""

import platform
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from rdpipe.common.files import read_json

LIBRARIES = frozenset(
    {"torch", "numpy", "pandas", "pyarrow", "safetensors", "scipy", "h5py", "pillow"}
    | {"matplotlib", "scikit-learn", "snakemake"}
)

CODE = Path(__file__).resolve().parents[1]  # the package

Product = TypeVar("Product")


class Shares:
    """Divides the time of a computation among its items, so that their seconds add up to all of it.

    Items that come together are a group: the runs of a training at one of its lengths, or all items
    of another stage. The time before the first item of a group comes is shared equally in the
    group: a training computes all its runs at once, and an evaluation reads the data for all. After
    that, each item has the time from the end of the item before it to its own end.

    Parameters
    ----------
    groups
        The group of each item.
    before
        Seconds that the computation took before it was interrupted.
    """

    def __init__(self, groups: Iterable[Hashable], before: float = 0.0) -> None:
        self._sizes = Counter(groups)
        self.items = self._sizes.total()
        self.start = datetime.now(UTC)
        self._since = perf_counter() - before
        self._share = 0.0

    def of(
        self, products: Iterable[Product], group: Callable[[Product], Hashable]
    ) -> Iterator[Product]:
        """Yield the products of the computation, one an item, and measure their time."""
        before: Hashable = object()  # no group
        for product in products:
            if before != (before := group(product)):
                self._share = self._lap() / self._sizes[before]
            yield product
            self._lap()

    def seconds(self) -> float:
        """Seconds of the current item until now, its share included."""
        return self._share + perf_counter() - self._since

    def _lap(self) -> float:
        before, self._since = self._since, perf_counter()
        return self._since - before


def circumstances(shares: Shares, threads: int) -> dict[str, Any]:
    """How the current item was computed.

    Returns
    -------
    dict
        - start: when the computation began or, after an interruption, went on, for all its items
        - seconds: this item's share of the time that the computation took (see `Shares`), with the
          time before an interruption. A training that went on from its own checkpoint counts from
          there
        - host, platform, device, threads: where it was computed
        - pack: how many items were computed together
        - versions: of Python and of libraries
        - commit, clean: of the code, from git, and whether no file of the code differed from that
          commit; None where the code is in no repository
    """
    return {
        "start": shares.start.isoformat(timespec="seconds"),
        "seconds": round(shares.seconds(), 3),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "device": device(),
        "threads": threads,
        "pack": shares.items,
        "versions": _versions(),
        **commit(CODE),
    }


@cache  # by a job, which has checked that its code is still the code it was started with
def commit(code: Path) -> dict[str, str | bool | None]:
    """The commit of a folder of code, and whether all its files are as they are in that commit."""
    told = _git(code, "status", "--porcelain=v2", "--branch", "--", ".")
    oid = next((line.split()[2] for line in told if line.startswith("# branch.oid")), "")
    # a folder of installed packages may lie inside somebody's repository, but is no part of it
    if not oid or oid == "(initial)" or not _git(code, "ls-files", "--", "*.py"):
        return {"commit": None, "clean": None}
    return {"commit": oid, "clean": all(line.startswith("#") for line in told)}


def _git(folder: Path, *arguments: str) -> list[str]:
    """What git says of a folder, in lines; nothing if there is no git or no repository."""
    call = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def made_with(path: Path) -> str:
    """Device and release of PyTorch behind a file of a store; the empty string if nobody knows."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        record = read_json(path.resolve().parent / "record.json")
        return f"{record['device']}, torch {record['versions']['torch']}"
    return ""


def device() -> str:
    """The GPU that this process has started, else the processor."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    return processor()


def processor() -> str:
    """What records call the device of a job without a GPU."""
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    from importlib.metadata import distributions  # takes 25 ms, which a store hit can save

    installed = {dist.name: dist.version for dist in distributions() if dist.name in LIBRARIES}
    return {"python": platform.python_version(), **dict(sorted(installed.items()))}
