"""How far a study is: its results, by stage and target, and the jobs that run or have failed."""

import os
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rdpipe.common.files import read_json
from rdpipe.overview import forecast
from rdpipe.overview.results import OF_RUN, Results
from rdpipe.overview.times import Interval, Machine
from rdpipe.store.live import BEAT, FOLDER
from rdpipe.study.plan import RESULTS, Node, Plan, RunAxes
from rdpipe.study.settings.study import STAGES

SILENT = 6 * BEAT  # seconds without a sign of life, after which a job is doubted


@dataclass(frozen=True)
class Told:
    """What the file of one job says.

    Attributes
    ----------
    state
        running, failed, ended (by a signal, and goes on at the next call), killed, or silent (on
        another host, without a sign of life).
    said
        The file itself (`rdpipe.store.live`).
    """

    state: str
    said: dict[str, Any]

    @property
    def title(self) -> str:
        """Stage and name of the job, and β and seed if it computes a single run."""
        title = f"{self.said['stage']} {self.said['name']}"
        runs = self.said.get("runs") or []
        if len(runs) == 1 and runs[0]:
            title += f" beta={runs[0]['beta']:g} seed={runs[0]['seed']}"
        return title

    @property
    def left(self) -> int:
        """How many results are still to come from it."""
        return int(self.said["asked"] - self.said["finished"])

    @property
    def seconds_left(self) -> float | None:
        """Seconds until what it counts is done, if it counts and has begun."""
        counted = self.said.get("progress") or {}
        if not counted.get("speed"):
            return None
        return float((counted["total"] - counted["done"]) / counted["speed"])


@dataclass(frozen=True)
class Stage:
    """How many results of a stage the targets need, and how many of them are in which state."""

    name: str
    total: int
    done: int
    running: int
    failed: int
    diverged: int

    @property
    def missing(self) -> int:
        """Results that are neither there, nor being computed, nor failed."""
        return self.total - self.done - self.running - self.failed


@dataclass(frozen=True)
class Target:
    """A figure or an experiment: whether it is made, and how many of its results are."""

    name: str
    made: bool
    done: int
    total: int


@dataclass(frozen=True)
class Progress:
    """How far a study is."""

    stages: tuple[Stage, ...]
    targets: tuple[Target, ...]
    running: tuple[Told, ...]
    failed: tuple[Told, ...]

    @property
    def made(self) -> bool:
        """Whether all targets are made."""
        return all(target.made for target in self.targets)


class Look:
    """Looks at a study again and again; what has come once is not looked for again."""

    def __init__(self, results: Results, targets: Iterable[str]) -> None:
        self.results, self.targets = results, list(targets)
        self.needed = results.needed(self.targets)
        self._of_target = {name: results.needed([name]) for name in self.targets}
        self._status: dict[str, str] = {}

    def progress(self) -> Progress:
        """How far the study is now."""
        existing = {
            (stage, node.name): self.results.existing(node)
            for stage, nodes in self.needed.items()
            for node in nodes
        }
        number = {name: len(runs) for name, runs in existing.items()}
        jobs = [
            told
            for told in jobs_of(self.needed)
            if number[told.said["stage"], told.said["name"]] < self._asked(told)
        ]
        running = tuple(told for told in jobs if told.state in ("running", "silent"))
        failed = tuple(told for told in jobs if told.state not in ("running", "silent"))
        stages = tuple(
            self._stage(stage, number, running, failed, existing)
            for stage in STAGES
            if self.needed[stage]
        )
        targets = tuple(self._target(name, number) for name in self.targets)
        return Progress(stages, targets, running, failed)

    def _asked(self, told: Told) -> int:
        """How many results the node of a job has."""
        return len(self.results.runs_of(self._node(told)))

    def _node(self, told: Told) -> Node:
        nodes: dict[str, Node] = getattr(self.results.plan, told.said["stage"])
        return nodes[told.said["name"]]

    def _stage(
        self,
        stage: str,
        number: dict[tuple[str, str], int],
        running: Iterable[Told],
        failed: Iterable[Told],
        existing: dict[tuple[str, str], list[RunAxes]],
    ) -> Stage:
        nodes = self.needed[stage]
        total = sum(len(self.results.runs_of(node)) for node in nodes)
        done = sum(number[stage, node.name] for node in nodes)
        at_work = sum(told.left for told in running if told.said["stage"] == stage)
        lost = sum(told.left for told in failed if told.said["stage"] == stage)
        at_work = min(at_work, total - done)
        lost = min(lost, total - done - at_work)
        diverged = 0
        if stage == "training":
            diverged = sum(
                self.status(node, run) == "diverged"
                for node in nodes
                for run in existing[stage, node.name]
            )
        return Stage(stage, total, done, at_work, lost, diverged)

    def _target(self, name: str, number: dict[tuple[str, str], int]) -> Target:
        nodes = [node for nodes in self._of_target[name].values() for node in nodes]
        done = sum(number[node.stage, node.name] for node in nodes)
        total = sum(len(self.results.runs_of(node)) for node in nodes)
        plan = self.results.plan
        made = all(Path(file).exists() for file in plan.target_files([name]))
        return Target(name, made, done, total)

    def status(self, node: Node, run: RunAxes) -> str:
        """Status of a trained run: finished or diverged; the empty string if nobody knows."""
        path = self.results.path(node, run)
        if path not in self._status:
            with suppress(OSError, ValueError, LookupError, TypeError):
                self._status[path] = str(read_json(Path(path))["status"])
        return self._status.get(path, "")


def jobs_of(needed: dict[str, list[Node]]) -> list[Told]:
    """What the jobs of some nodes tell; those of other studies and settings are left out."""
    nodes = {(node.stage, node.name): node for nodes in needed.values() for node in nodes}
    return [told for told in _all_jobs() if _is_of(told, nodes)]


def jobs_elsewhere(plan: Plan) -> list[Told]:
    """Running jobs of other studies, or of other settings of this one."""
    nodes = {(stage, name): node for stage in STAGES for name, node in getattr(plan, stage).items()}
    return [told for told in _all_jobs() if told.state == "running" and not _is_of(told, nodes)]


def _is_of(told: Told, nodes: dict[tuple[str, str], Node]) -> bool:
    node = nodes.get((told.said["stage"], told.said["name"]))
    return node is not None and f"logs/{node.stage}/{node.address}" in told.said["log"]


def _all_jobs() -> list[Told]:
    """What all jobs in this folder tell, the oldest first."""
    found = []
    for path in sorted(Path(RESULTS, "logs", FOLDER).glob("*.json")):
        with suppress(OSError, ValueError, LookupError, TypeError):
            said = read_json(path)
            told = Told(_state(said, time.time() - path.stat().st_mtime), said)
            if {"stage", "name", "log"} <= said.keys():
                found.append((float(said["started"]), str(path), told))
    return [told for _, _, told in sorted(found, key=lambda one: one[:2])]


def _state(said: dict[str, Any], age: float) -> str:
    """The state of a job whose file is so many seconds old."""
    if said["state"] != "running" or age < 1.5 * BEAT:
        return str(said["state"])
    if said["host"] == socket.gethostname():
        try:
            os.kill(said["process"], 0)
        except ProcessLookupError:
            return "killed"
        except OSError:
            pass  # another user's
    return "silent" if age > SILENT else "running"


def time_left(look: Look, progress: Progress, machine: Machine) -> Interval:
    """Seconds until all targets are made, as if jobs go on to run as they run now.

    If jobs run elsewhere, as under SLURM, as many go on to run at a time as run now.
    """
    results = Results(look.results.plan)  # a new one, which asks the store anew
    jobs = results.jobs(look.targets)
    if not jobs:
        return Interval(0, 0)
    elsewhere = any(told.said["host"] != socket.gethostname() for told in progress.running)
    if elsewhere:
        threads = results.plan.study.training.threads
        gpus = len(progress.running) if machine.gpus else 0
        machine = Machine(max(machine.cores, threads * len(progress.running)), gpus, machine.device)
    whole = forecast.cost_of(results, jobs, machine)
    left = {told.title: told for told in progress.running}
    costs = tuple(
        replace(cost, seconds=_left(cost.seconds, left.get(cost.job.title))) for cost in whole.costs
    )
    return forecast.wall(costs, machine, results)


def _left(seconds: Interval, told: Told | None) -> Interval:
    """What is left of a job's seconds; a training knows best itself."""
    if told is None or not (counted := told.said.get("progress")):
        return seconds
    if told.said["stage"] == "training" and told.seconds_left is not None:
        return Interval(0.8 * told.seconds_left, 1.3 * told.seconds_left + 5)
    if told.said["stage"] in OF_RUN:
        return seconds.times(told.left / max(told.said["asked"], 1))
    return seconds.times(1 - counted["done"] / max(counted["total"], 1))
