"""One job of the workflow: ask the store, compute what it lacks, publish all.

This is all that stands between an adapter in `workflow/scripts/` and the library. It imports
nothing heavy, so that a job whose results are all in the store ends within a second.
"""

import errno
import logging
import os
import platform
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from rdpipe.common.errors import OutOfMemoryError, RdpipeError
from rdpipe.common.files import read_json
from rdpipe.store.digests import digest, identity
from rdpipe.store.fingerprint import fingerprint
from rdpipe.store.objects import Store, content_of, place_json, publish

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


class _Terminated(BaseException):
    """SIGTERM came: no error, so that nothing on the way deals with it as one."""


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
        self._content = cache(content_of)
        self._terminated = self._asked = False

    def stopping(self) -> bool:
        """Whether the job has been told to end, by a SIGTERM, and should save its state and do so.

        A computation that asks this is from then on not ended by SIGTERM itself, however often it
        comes (a batch system may send several at once); all others are, by the first.
        """
        self._asked = True
        return self._terminated

    def make(self, item: Item, write: Write) -> None:
        """Make one object: `write` is called if the store does not have it."""
        self.make_all([item], lambda _items, _state: [(item, write)])

    def make_all(
        self, items: Sequence[Item], compute: Compute, at_once: Callable[[], int] | None = None
    ) -> None:
        """Make several objects together; `compute` is given those that the store lacks.

        Where the device has too little memory for all, that is done in rounds: of as many as
        `at_once` says will fit, and of half as many whenever they do not.
        """
        with self._reporting():
            self._check_code()
            missing = [item for item in items if not self._publish_stored(item)]
            state = self._state(items)
            if not missing:
                _forget(state)
                return
            self._import_module()
            most = at_once() if at_once else len(missing)
            while missing:
                together = self._resumable(items, missing, most, state)
                if len(together) < len(missing):
                    log.info("%d of %d runs at once, for memory", len(together), len(missing))
                try:
                    self._compute(together, state, compute)
                except OutOfMemoryError as error:
                    if len(together) == 1 or state.exists():  # more has fitted, and may again
                        raise
                    log.warning("%s", error)
                    most = len(together) // 2
                else:
                    missing = [item for item in missing if item not in together]

    def _state(self, items: Sequence[Item]) -> Path:
        """The path of the state of these items' computation.

        It is this checkout's own: another that computes the same may be far behind, or use other
        hardware, whose numbers are not these.
        """
        name = digest([str(Path.cwd()), *sorted(self._key(item) for item in items)])
        return self.store.root / "state" / f"{name}.safetensors"

    def _resumable(
        self, items: Sequence[Item], missing: list[Item], most: int, state: Path
    ) -> list[Item]:
        """What to compute: up to `most` of what is missing, or what a saved state belongs to.

        A state belongs to all items that were computed together. Going on from it gives their
        numbers exactly, so those stored just before an interruption are made once more with those
        that are missing. Beside the state lie the keys of its items.
        """
        for item in missing:
            self.store.prepare(self._key(item))
        self.store.folder("state")
        if state.exists():
            with suppress(OSError, ValueError):
                members = read_json(_members(state))
                together = [item for item in items if self._key(item) in members]
                if any(item in missing for item in together):
                    return together
        state.unlink(missing_ok=True)
        place_json(_members(state), [self._key(item) for item in missing[:most]])
        return missing[:most]

    def _import_module(self) -> None:
        """Import what computes, which takes its number of threads from the environment."""
        for library in ("OMP", "MKL", "OPENBLAS"):
            os.environ[f"{library}_NUM_THREADS"] = str(self.threads)
        import_module(self.spec["modules"][0])
        self._check_code()  # so what has been imported is what the fingerprint says

    def _compute(self, items: list[Item], state: Path, compute: Compute) -> None:
        start = datetime.now(UTC)
        try:
            for item, write in compute(items, state):
                record = partial(self._record, item, start, len(items))
                folder = self.store.add(self._key(item), write, record)
                self._publish(folder, item, f"computed in {_seconds_since(start):.1f} s")
                start = datetime.now(UTC)
            _forget(state)
        finally:
            if not state.exists():  # else another try goes on from it
                _forget(state)

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
        if fingerprint(self.spec["modules"]) != self.spec["code"]:
            raise RdpipeError(
                f"the code behind {self.spec['modules'][0]} was edited after this workflow was "
                "started, so nothing was stored; call snakemake again to compute with the new code."
            )

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Log to the job's file and to standard error; end a failed job with one sentence."""
        title = f"{self.spec['stage']} {self.spec['name']}"
        handlers: list[logging.Handler] = [logging.StreamHandler()]
        log.setLevel(logging.INFO)
        log.addHandler(handlers[0])
        before = signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            handlers.append(_LogFile(self.log_file))
            log.addHandler(handlers[1])
            yield
        except RdpipeError as error:
            log.error("%s: %s", title, error)
            sys.exit(1)
        except _Terminated:
            log.error("%s: ended by SIGTERM; call snakemake again: it goes on from here.", title)
            sys.exit(1)
        except Exception as error:
            if any(os.strerror(code) in str(error) for code in (errno.ENOSPC, errno.EDQUOT)):
                folders = self.store.root, self.log_file.parent
                log.error(
                    "%s: no room is left, on the disk or of your quota, for %s or %s (%s); "
                    "make some and call snakemake again: what was finished is kept.",
                    *(title, *folders, error),
                )
            else:
                log.error("%s: %s: %s (see %s)", title, type(error).__name__, error, self.log_file)
                with suppress(OSError), self.log_file.open("a", encoding="utf-8") as opened:
                    traceback.print_exc(file=opened)
            sys.exit(1)
        finally:
            signal.signal(signal.SIGTERM, before)
            for handler in handlers:
                log.removeHandler(handler)
                with suppress(OSError):  # what it could not write
                    handler.close()

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        first, self._terminated = not self._terminated, True
        if first and not self._asked:
            raise _Terminated


class _LogFile(logging.FileHandler):
    """The log of a job, in a folder that is made if need be."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, mode="w", encoding="utf-8")
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s"))

    def handleError(self, _record: logging.LogRecord) -> None:
        """A full disk costs lines of the log, not the job."""


def _members(state: Path) -> Path:
    """Where the keys of the items lie that a state was computed with."""
    return state.with_suffix(".json")


def _forget(state: Path) -> None:
    """Remove a state that nobody goes on from, with what a killed job left of its writing."""
    for path in state.parent.glob(f"{state.stem}*"):
        with suppress(OSError):  # of a store that is read-only
            path.unlink()


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
    from importlib.metadata import distributions  # 25 ms, which a store hit can do without

    installed = {dist.name: dist.version for dist in distributions() if dist.name in libraries}
    return {"python": platform.python_version(), **dict(sorted(installed.items()))}
