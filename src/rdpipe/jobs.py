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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from rdpipe.digests import digest, identity
from rdpipe.errors import RdpipeError
from rdpipe.files import read_json, write_json
from rdpipe.fingerprint import fingerprint
from rdpipe.store import Store, content_of, publish

log = logging.getLogger("rdpipe")

Write = Callable[[Path], None]
"""Writes the files of one object into an empty folder."""


@dataclass(frozen=True)
class Item:
    """One object that a job owes: what it is made from, and where its files are expected."""

    inputs: Mapping[str, str | Sequence[str]]
    outputs: Mapping[str, str]  # file name in the object -> path of its link
    axes: Mapping[str, Any] = field(default_factory=dict)  # the run's beta and seed, if it is one


def items_of_runs(
    runs: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, str | Sequence[str]],
    outputs: Mapping[str, Sequence[str]],
) -> list[Item]:
    """One item for each run, from lists of paths in the order of the runs.

    An input that is a single path is read by every run.
    """
    return [
        Item(
            {name: path if isinstance(path, str) else path[i] for name, path in inputs.items()},
            {name: paths[i] for name, paths in outputs.items()},
            axes,
        )
        for i, axes in enumerate(runs)
    ]


Compute = Callable[[list[Item], Path], Iterable[tuple[Item, Write]]]
"""Yields each item as soon as it is finished, with what writes it. The path is for state from
which an interrupted computation of the same items may go on."""


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
        self.store = Store(Path(store).expanduser())
        self.log_file = Path(log_file)
        self._content = cache(content_of)

    def make(self, item: Item, write: Write) -> None:
        """Make one object: `write` is called if the store does not have it."""
        self.make_all([item], lambda _items, _state: [(item, write)])

    def make_all(self, items: Sequence[Item], compute: Compute) -> None:
        """Make several objects together; `compute` is given those that the store lacks."""
        with self._reporting():
            self._check_code()
            missing = [item for item in items if not self._publish_stored(item)]
            if missing:
                self._compute(*self._resumable(items, missing), compute)

    def _resumable(self, items: Sequence[Item], missing: list[Item]) -> tuple[list[Item], Path]:
        """What to compute, and the path of its state.

        Saved state belongs to all items that were computed together. Going on from it gives their
        numbers exactly, so those stored just before an interruption are made once more with those
        that are missing. Beside the state lie the keys of its items.
        """
        name = digest(sorted(self._key(item) for item in items))
        state = self.store.root / "state" / f"{name}.safetensors"
        members = state.with_suffix(".json")
        state.parent.mkdir(parents=True, exist_ok=True)
        if state.exists() and members.exists():
            together = [item for item in items if self._key(item) in read_json(members)]
            if all(item in together for item in missing):
                return together, state
        state.unlink(missing_ok=True)
        write_json(members, [self._key(item) for item in missing])
        return missing, state

    def _compute(self, items: list[Item], state: Path, compute: Compute) -> None:
        for library in ("OMP", "MKL", "OPENBLAS"):  # read when they are imported, not yet here
            os.environ[f"{library}_NUM_THREADS"] = str(self.threads)
        import_module(self.spec["module"])
        self._check_code()  # so what has been imported is what the fingerprint says
        start = datetime.now(UTC)
        try:
            for item, write in compute(items, state):
                record = partial(self._record, item, start, len(items))
                folder = self.store.add(self._key(item), write, record)
                self._publish(folder, item, f"computed in {_seconds_since(start):.1f} s")
                start = datetime.now(UTC)
            state.unlink(missing_ok=True)
        finally:
            if not state.exists():  # else another try goes on from it
                state.with_suffix(".json").unlink(missing_ok=True)

    def _publish_stored(self, item: Item) -> bool:
        folder = self.store.find(self._key(item))
        if folder:
            self._publish(folder, item, "from the store")
        return folder is not None

    def _publish(self, folder: Path, item: Item, how: str) -> None:
        publish(folder, {name: Path(link) for name, link in item.outputs.items()})
        axes = "".join(f" {axis}={float(value):.10g}" for axis, value in item.axes.items())
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
        return {**self.spec["settings"], "run": dict(item.axes)}

    def _key(self, item: Item) -> str:
        return identity(
            self.spec["stage"], self._settings(item), self.spec["code"], self._inputs(item)
        )

    def _record(self, item: Item, start: datetime, pack: int) -> dict[str, Any]:
        """What a record says of the making of an object, beside its files' digests.

        `seconds` count from the end of the object before it, so those of a job add up to its time;
        that of runs trained together is all with the first.
        """
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
            "pack": pack,
            "versions": _versions(),
        }

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
        handlers = (file, logging.StreamHandler())
        log.setLevel(logging.INFO)
        for handler in handlers:
            log.addHandler(handler)
        title = f"{self.spec['stage']} {self.spec['name']}"
        try:
            yield
        except RdpipeError as error:
            log.error("%s: %s", title, error)
            sys.exit(1)
        except Exception as error:
            log.error("%s: %s: %s (see %s)", title, type(error).__name__, error, self.log_file)
            with self.log_file.open("a", encoding="utf-8") as opened:
                traceback.print_exc(file=opened)
            sys.exit(1)
        finally:
            for handler in handlers:
                log.removeHandler(handler)
                handler.close()


def _seconds_since(start: datetime) -> float:
    return (datetime.now(UTC) - start).total_seconds()


def _device() -> str:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    libraries = (
        *("torch", "numpy", "pandas", "pyarrow", "safetensors", "scipy"),
        *("h5py", "pillow", "matplotlib", "snakemake"),
    )
    installed = {dist.name: dist.version for dist in distributions() if dist.name in libraries}
    return {"python": platform.python_version(), **dict(sorted(installed.items()))}
