"""One job of the workflow: ask the store, compute the items that it lacks, publish all.

`Job` is the only part of the library between an adapter in `workflow/scripts/` and a stage. It
imports nothing heavy, so that a job whose results are all in the store ends within a second.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from rdpipe.common.errors import RdpipeError
from rdpipe.store.digests import identity
from rdpipe.store.fingerprint import fingerprint, parts
from rdpipe.store.leases import leased
from rdpipe.store.links import leave_the_future, publish
from rdpipe.store.live import Live, place, shown
from rdpipe.store.objects import Store, content_of
from rdpipe.store.provenance import Shares, circumstances
from rdpipe.store.reporting import Signals, reporting
from rdpipe.store.roots import register
from rdpipe.store.rounds import forget, in_rounds, spent, state_of

log = logging.getLogger("rdpipe")

Write = Callable[[Path], None]
"""Writes the files of one object into an empty folder."""


@dataclass(frozen=True)
class Item:
    """One object that a job must make: its inputs, and the links that its files get."""

    inputs: Mapping[str, str | Sequence[str]]
    outputs: Mapping[str, str]  # file name in the object -> path of its link
    axes: Mapping[str, Any] = field(default_factory=dict)  # β and seed, if the item is a run
    settings: Mapping[str, Any] = field(default_factory=dict)  # those that differ from the job's

    def input_paths(self) -> list[str]:
        """All paths of the inputs."""
        return [
            path
            for paths in self.inputs.values()
            for path in ([paths] if isinstance(paths, str) else paths)
        ]


def items_of_runs(
    runs: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, str | Sequence[str]],
    outputs: Mapping[str, Sequence[str]],
    length: str | None = None,
) -> list[Item]:
    """One item for each run, from lists of paths in the order of the runs.

    An input that is a single path is read by every run. `length` names the setting whose value a
    checkpoint has instead of the job's: so a checkpoint has the key of a run that ends there.
    """
    return [
        Item(
            {name: path if isinstance(path, str) else path[i] for name, path in inputs.items()},
            {name: paths[i] for name, paths in outputs.items()},
            {axis: value for axis, value in run.items() if axis != "checkpoint"},
            {length: run["checkpoint"]} if length and "checkpoint" in run else {},
        )
        for i, run in enumerate(runs)
    ]


Compute = Callable[[list[Item], Path], Iterable[tuple[Item, Write]]]
"""Yields each item as soon as it is finished, with the function that writes it. The path is a file
for the state from which an interrupted computation of the same items goes on."""


class Job:
    """A job of one stage, as its adapter sees it.

    Parameters
    ----------
    spec
        `Node.spec` of the plan.
    store
        Folder of the store.
    log_file
        Where the job's log goes; the log is also written to standard error.
    threads
        CPU threads that the job may use.
    """

    def __init__(
        self, spec: Mapping[str, Any], *, store: str, log_file: str, threads: int = 1
    ) -> None:
        self.spec, self.threads = spec, threads
        self.store = Store(Path(store))
        self.log_file = Path(log_file)
        self._content = cache(content_of)
        self._signals = Signals()
        self._live = Live({})

    def stopping(self) -> bool:
        """Whether SIGTERM or Ctrl-C has asked the job to end: then save the state, and end.

        A signal does not end a computation that has called this once: the computation ends itself.
        """
        return self._signals.stopping()

    def make(self, item: Item, write: Write) -> None:
        """Make one object: `write` is called if the store does not have it."""
        self.make_all([item], lambda _items, _state: [(item, write)])

    def make_all(
        self, items: Sequence[Item], compute: Compute, at_once: Callable[[], int] | None = None
    ) -> None:
        """Make several objects together.

        Parameters
        ----------
        items
            The objects to make.
        compute
            Is given the items that the store lacks, and computes them together.
        at_once
            How many items the device's memory takes together; without it, all. If that is less
            than all, they are computed in rounds.
        """
        # a job that makes several runs is named by what they have in common
        common = [item.axes for item in items[:1] if all(one.axes == item.axes for one in items)]
        title = f"{self.spec['stage']} {self.spec['name']}{_spelled(*common)}"
        about = {"stage": self.spec["stage"], "name": self.spec["name"], "asked": len(items)}
        about["log"] = str(self.log_file)
        with (
            shown(place(self.log_file), about, lambda: self._signals.came) as self._live,
            reporting(title, self.log_file, self.store.root, self._signals),
        ):
            self._check_code()
            leave_the_future(path for item in items for path in item.input_paths())
            by_key = {self.key(item): item for item in items}
            state = state_of(self.store, by_key)
            for results in {_results_of(link) for item in items for link in item.outputs.values()}:
                register(self.store, results)
            with leased(self.store, by_key, state):
                self._make(by_key, state, compute, at_once)

    def stored(self, item: Item, name: str) -> Path | None:
        """A file of an item's object, if the store has the object with such a file."""
        folder = self.store.find(self.key(item))
        return folder / name if folder and (folder / name).exists() else None

    def key(self, item: Item) -> str:
        """The store key of an item, from the content of its inputs."""
        return identity(**self._identity(item))

    def _make(
        self,
        by_key: Mapping[str, Item],
        state: Path,
        compute: Compute,
        at_once: Callable[[], int] | None,
    ) -> None:
        """Publish the items that the store has, and compute the others."""
        missing = {key for key, item in by_key.items() if not self._publish_stored(key, item)}
        if not missing:
            forget(state)
            return
        self.store.folder("state")
        for key in missing:
            self.store.prepare(key)
        self._import_module()
        in_rounds(
            list(by_key),
            missing,
            at_once() if at_once else len(missing),
            state,
            lambda keys: self._compute([by_key[key] for key in keys], state, compute),
        )

    def _import_module(self) -> None:
        """Import the stage's module, with the job's threads for the libraries it uses."""
        for library in ("OMP", "MKL", "OPENBLAS"):
            os.environ[f"{library}_NUM_THREADS"] = str(self.threads)
        import_module(self.spec["modules"][0])
        self._check_code()  # so the code that was imported is the code of the fingerprint

    def _compute(self, items: list[Item], state: Path, compute: Compute) -> None:
        """Compute items together, and store and publish each as soon as it is finished."""
        shares = Shares(map(_length, items), spent(state))
        self._live.computes(list({tuple(one.axes.items()): one.axes for one in items}.values()))
        try:
            for item, write in shares.of(compute(items, state), lambda made: _length(made[0])):
                record = partial(self._record, item, shares)
                folder = self.store.add(self.key(item), write, record)
                self._publish(folder, item, f"computed in {shares.seconds():.1f} s")
            forget(state)
        finally:
            if not state.exists():  # else another try goes on from it
                forget(state)

    def _publish_stored(self, key: str, item: Item) -> bool:
        folder = self.store.find(key)
        if folder:
            self._publish(folder, item, "from the store")
        return folder is not None

    def _publish(self, folder: Path, item: Item, how: str) -> None:
        links = {name: Path(link) for name, link in item.outputs.items()}
        pauses = iter((0.1, 1, 5))  # s; a cleaner puts an object with a lease back at once
        while not publish(folder, links):
            if (pause := next(pauses, None)) is None:
                raise RdpipeError(
                    f"{folder} was removed while this job used it; call snakemake again to "
                    "compute it anew."
                )
            time.sleep(pause)
        axes = _spelled(item.axes, item.settings)
        log.info("%s %s%s: %s", self.spec["stage"], self.spec["name"], axes, how)
        self._live.finished()

    def _identity(self, item: Item) -> dict[str, Any]:
        """What an item is made from: its store key is the digest of this."""
        inputs = {
            name: self._content(Path(paths))
            if isinstance(paths, str)
            else [self._content(Path(path)) for path in paths]
            for name, paths in item.inputs.items()
        }
        return {
            "stage": self.spec["stage"],
            "settings": {**self.spec["settings"], **item.settings, "run": dict(item.axes)},
            "code": self.spec["code"],
            "inputs": inputs,
        }

    def _record(self, item: Item, shares: Shares) -> dict[str, Any]:
        code = {"modules": parts(self.spec["modules"])}
        return self._identity(item) | code | circumstances(shares, self.threads)

    def _check_code(self) -> None:
        if fingerprint(self.spec["modules"]) != self.spec["code"]:
            raise RdpipeError(
                f"the code behind {self.spec['modules'][0]} was edited after this workflow was "
                "started, so nothing was stored; call snakemake again to compute with the new code."
            )


def _spelled(*values: Mapping[str, Any]) -> str:
    """Axes of a run, and settings, as logs name them."""
    named = [pair for mapping in values for pair in mapping.items()]
    return "".join(f" {axis}={float(value):.10g}" for axis, value in named)


def _length(item: Item) -> tuple[tuple[str, Any], ...]:
    """What the items have in common that come at the same moment: the length of their training."""
    return tuple(item.settings.items())


def _results_of(link: str) -> Path:
    """The folder of results in which a link lies: the first folder of a relative path."""
    path = Path(link)
    return path.parent if path.is_absolute() else Path(*path.parts[:-1][:1])
