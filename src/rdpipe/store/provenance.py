"""Provenance: when, where, with which versions and how long an object was computed."""

import platform
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from rdpipe.common.files import read_json

LIBRARIES = frozenset(
    {"torch", "numpy", "pandas", "pyarrow", "safetensors", "scipy", "h5py", "pillow"}
    | {"matplotlib", "snakemake"}
)

Product = TypeVar("Product")


class Shares:
    """Divides the time of a computation among its items, so that their seconds add up to all of it.

    The time before the first item comes is shared equally: a training computes all its runs at
    once, and an evaluation reads the data for all. After that, each item has the time from the end
    of the item before it to its own end.
    """

    def __init__(self, items: int) -> None:
        self.items = items
        self.start = datetime.now(UTC)
        self._since = perf_counter()
        self._share = 0.0

    def of(self, products: Iterable[Product]) -> Iterator[Product]:
        """Yield the products of the computation, one an item, and measure their time."""
        for number, product in enumerate(products):
            if number == 0:
                self._share = self._lap() / self.items
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
        - start: when the computation began, for all its items
        - seconds: this item's share of the time that the computation took (see `Shares`); a
          training that went on from a saved state counts from there
        - host, platform, device, threads: where it was computed
        - pack: how many items were computed together
        - versions: of Python and of libraries
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
    }


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
