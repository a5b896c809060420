"""One job of the workflow: ask the store, compute what it lacks, publish all.

This is all that stands between an adapter in `workflow/scripts/` and the library. It imports
nothing heavy, so that a job whose results are all in the store ends within a second.
"""

import logging
import os
import platform
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from rdpipe.digests import digest, identity
from rdpipe.errors import RdpipeError
from rdpipe.fingerprint import fingerprint
from rdpipe.store import Store, publish

log = logging.getLogger("rdpipe")

Write = Callable[[Path], None]
"""Writes the files of one object into an empty folder."""


@dataclass(frozen=True)
class Item:
    """One object that a job owes: what it is made from, and where its files are expected."""

    inputs: Mapping[str, str | Sequence[str]]
    outputs: Mapping[str, str]  # file name in the object -> path of its link
    axes: Mapping[str, Any] = field(default_factory=dict)  # the run's beta and seed, if it is one


Finish = Callable[[Item, Write], None]


class Job:
    """A job of one stage, as its adapter sees it.

    Parameters
    ----------
    spec
        `Node.spec` of the plan.
    store
        Folder of the store.
    log_file
        Where the job's log goes; it is echoed on standard error.
    threads
        CPU threads the job may use.
    """

    def __init__(
        self, spec: Mapping[str, Any], *, store: str, log_file: str, threads: int = 1
    ) -> None:
        self.spec, self.threads = spec, threads
        self.store = Store(Path(store))
        self.log_file = Path(log_file)
        self._content = cache(self.store.content)

    def make(self, item: Item, write: Write) -> None:
        """Make one object: `write` is called if the store does not have it."""
        self.make_all([item], lambda missing, finish, _: finish(item, write))

    def make_all(
        self, items: Sequence[Item], compute: Callable[[list[Item], Finish, Path], None]
    ) -> None:
        """Make several objects together.

        `compute` is called with the items that the store lacks, a function that stores and
        publishes one of them as soon as it is finished, and a path where state may be kept from
        which an interrupted computation goes on. The state is removed when all is stored.
        """
        with self._reporting():
            self._check_code()
            missing = [item for item in items if not self._publish_stored(item)]
            state = self._state(items)
            if missing:
                # Saved state is that of all items together; going on from it gives their numbers
                # exactly, so those that were stored before the interruption are made once more.
                self._compute(list(items) if state.exists() else missing, compute, state)
            state.unlink(missing_ok=True)

    def _compute(
        self,
        missing: list[Item],
        compute: Callable[[list[Item], Finish, Path], None],
        state: Path,
    ) -> None:
        for library in ("OMP", "MKL", "OPENBLAS"):  # read when they are imported, not yet here
            os.environ[f"{library}_NUM_THREADS"] = str(self.threads)
        import_module(self.spec["module"])
        self._check_code()  # so what has been imported is what the fingerprint says
        state.parent.mkdir(parents=True, exist_ok=True)
        start = datetime.now(UTC)
        compute(missing, lambda item, write: self._finish(item, write, start), state)

    def _publish_stored(self, item: Item) -> bool:
        folder = self.store.find(self._key(item))
        if folder:
            self._publish(folder, item, "from the store")
        return folder is not None

    def _finish(self, item: Item, write: Write, start: datetime) -> None:
        folder = self.store.add(self._key(item), write, lambda: self._record(item, start))
        self._publish(folder, item, f"computed in {_seconds_since(start):.1f} s")

    def _publish(self, folder: Path, item: Item, how: str) -> None:
        publish(folder, {name: Path(link) for name, link in item.outputs.items()})
        axes = "".join(f" {axis}={value:g}" for axis, value in item.axes.items())
        log.info("%s %s%s: %s", self.spec["stage"], self.spec["name"], axes, how)

    def _inputs(self, item: Item) -> dict[str, str | list[str]]:
        """Content digests of what an item is made from."""
        return {
            name: self._content(Path(paths))
            if isinstance(paths, str)
            else [self._content(Path(path)) for path in paths]
            for name, paths in item.inputs.items()
        }

    def _settings(self, item: Item) -> dict[str, Any]:
        return {**self.spec["settings"], **item.axes}

    def _key(self, item: Item) -> str:
        return identity(
            self.spec["stage"], self._settings(item), self.spec["code"], self._inputs(item)
        )

    def _record(self, item: Item, start: datetime) -> dict[str, Any]:
        """What a record says of the making of an object, beside its files' digests."""
        return {
            "stage": self.spec["stage"],
            "settings": self._settings(item),
            "code": self.spec["code"],
            "inputs": self._inputs(item),
            "start": start.isoformat(timespec="seconds"),
            "seconds": round(_seconds_since(start), 3),
            "host": socket.gethostname(),
            "platform": platform.platform(),
            "device": _device(),
            "threads": self.threads,
            "pack": len(self.spec["runs"]),
            "versions": _versions(),
        }

    def _state(self, items: Sequence[Item]) -> Path:
        name = digest(sorted(self._key(item) for item in items))
        return self.store.root / "state" / f"{name}.safetensors"

    def _check_code(self) -> None:
        if fingerprint(self.spec["module"]) != self.spec["code"]:
            raise RdpipeError(
                f"the code behind {self.spec['module']} was edited after this workflow had been "
                "started, so nothing was stored; call snakemake again to compute with the new code."
            )

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Log to the job's file and to standard error; end a failed job with one sentence."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(self.log_file, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.setLevel(logging.INFO)
        log.addHandler(file)
        log.addHandler(logging.StreamHandler())
        title = f"{self.spec['stage']} {self.spec['name']}"
        try:
            yield
        except RdpipeError as error:
            log.error("%s: %s", title, error)
            sys.exit(1)
        except Exception as error:
            with self.log_file.open("a", encoding="utf-8") as opened:
                traceback.print_exc(file=opened)
            log.error("%s: %s: %s (see %s)", title, type(error).__name__, error, self.log_file)
            sys.exit(1)


def _seconds_since(start: datetime) -> float:
    return (datetime.now(UTC) - start).total_seconds()


def _device() -> str:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    libraries = ("torch", "numpy", "pandas", "pyarrow", "matplotlib", "snakemake")
    installed = {dist.name: dist.version for dist in distributions() if dist.name in libraries}
    return {"python": platform.python_version(), **dict(sorted(installed.items()))}
