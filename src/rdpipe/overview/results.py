"""Which results of a study exist, which the store has, and which jobs are left."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpipe.store.digests import identity
from rdpipe.store.objects import RECORD, Store
from rdpipe.study.plan import RESULTS, RUN_STAGES, Node, Plan, RunAxes, file_of
from rdpipe.study.settings.diagnostics import FILES
from rdpipe.study.settings.study import STAGES

# of each stage, the file that its job links last: if it exists, the result is whole
LAST = {
    "datasets": "manifest.json",
    "splits": "train.npz",
    "neighbours": "distances.parquet",
    "training": "run.json",
    "evaluation": "reconstructions.npz",
    "tables": "reconstructions.npz",
}
# of stages whose store keys are computed here: name of an input -> the node it is from, its file
READS = {
    "datasets": {},
    "splits": {
        "images": ("dataset", "images.npz"),
        "factors": ("dataset", "factors.parquet"),
        "manifest": ("dataset", "manifest.json"),
    },
    "neighbours": {"train": ("split", "train.npz"), "test": ("split", "test.npz")},
    "training": {"train": ("split", "train.npz")},
    "evaluation": {
        "train": ("split", "train.npz"),
        "test": ("split", "test.npz"),
        "distances": ("neighbours", "distances.parquet"),
        "model": ("training", "model.safetensors"),
        "run": ("training", "run.json"),
    },
    "diagnostics": {
        "train": ("split", "train.npz"),
        "test": ("split", "test.npz"),
        "model": ("training", "model.safetensors"),
        "run": ("training", "run.json"),
    },
}
OF_RUN = ("evaluation", "diagnostics")  # whose jobs read the trained runs that they measure
Record = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One job that a call of snakemake would start.

    Attributes
    ----------
    node
        The node whose results it makes.
    runs
        The runs it makes, checkpoints included; one empty run for a node without runs.
    stored
        How many of them the store has already, so that they are only linked into place.
    """

    node: Node
    runs: tuple[RunAxes, ...]
    stored: int

    @property
    def title(self) -> str:
        """Stage and name, and β and seed of a job of one run."""
        own = ends(self.runs)
        alone = len(own) == 1 and own[0]
        axes = f" beta={own[0]['beta']:g} seed={own[0]['seed']}" if alone else ""
        return f"{self.node.stage} {self.node.name}{axes}"


class Results:
    """What of a study exists, looked up once for each result that exists."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.store = Store(Path(plan.study.store))
        self.runs: tuple[RunAxes, ...] = tuple(plan.runs(tuple(plan.values), {}))
        self._there: set[str] = set()
        self._records: dict[str, Record | None] = {}
        self._keys: dict[str, str | None] = {}
        self._contents: dict[str, str | None] = {}

    def runs_of(self, node: Node) -> Sequence[RunAxes]:
        """The runs of a node; one empty run if it has none.

        Diagnostics that only figures read are asked of runs at the end of training, and pictures
        of the smallest seed.
        """
        if node.stage != "diagnostics" or (measure := measure_of(node)) not in FILES:
            return self.runs if node.stage in RUN_STAGES else ({},)
        first = min(self.plan.study.seeds)
        return [run for run in ends(self.runs) if measure != "pictures" or run["seed"] == first]

    def path(self, node: Node, run: RunAxes, file: str = "") -> str:
        """Path of a file of a result; without a name, of the file that is linked last."""
        if node.stage == "figures":
            return f"{RESULTS}/figures/{node.address}.{file or 'csv'}"
        last = file_of(node.name) if node.stage == "diagnostics" else LAST[node.stage]
        name = file or last
        return node.files(name, [run])[0] if node.stage in RUN_STAGES else node.file(name)

    def exists(self, node: Node, run: RunAxes) -> bool:
        """Whether a result exists, and its object does."""
        path = self.path(node, run)
        if path not in self._there and Path(path).exists():
            self._there.add(path)
        return path in self._there

    def existing(self, node: Node) -> list[RunAxes]:
        """The runs of a node whose results exist."""
        if node.stage in RUN_STAGES and not Path(RESULTS, node.stage, node.address).is_dir():
            return []  # one look instead of one for each run
        return [run for run in self.runs_of(node) if self.exists(node, run)]

    def needed(self, targets: Iterable[str]) -> dict[str, list[Node]]:
        """The nodes that some targets rest on, by stage, in the order of the stages."""
        found: dict[tuple[str, str], Node] = {}

        def visit(node: Node) -> None:
            if (node.stage, node.name) not in found:
                found[node.stage, node.name] = node
                for read in node.reads.values():
                    visit(read)

        for node in self._asked(targets):
            visit(node)
        return {stage: [node for node in found.values() if node.stage == stage] for stage in STAGES}

    def jobs(self, targets: Iterable[str]) -> list[Job]:
        """The jobs that a call of snakemake with these targets would start, in order of stages.

        As in Snakemake, nothing is asked of what is behind a result that exists.
        """
        wanted: dict[str, dict[str, dict[int, RunAxes]]] = {stage: {} for stage in STAGES}
        nodes: dict[tuple[str, str], Node] = {}
        order = {id(run): place for place, run in enumerate(self.runs)}

        there: dict[tuple[str, str], set[int]] = {}  # of nodes that were looked at

        def want(node: Node, runs: Iterable[RunAxes]) -> None:
            name = (node.stage, node.name)
            if name not in there:
                there[name] = {order.get(id(run), 0) for run in self.existing(node)}
                nodes[name] = node
            for run in runs:
                if (place := order.get(id(run), 0)) not in there[name]:
                    wanted[node.stage].setdefault(node.name, {})[place] = run

        for node in self._asked(targets):
            want(node, self.runs_of(node))
        jobs: list[Job] = []
        for stage in reversed(STAGES):  # from figures to datasets: readers before what they read
            for name, runs in wanted[stage].items():
                node = nodes[stage, name]
                for together in self._together(stage, runs.values()):
                    jobs.append(Job(node, together, 0))
                    for read in node.reads.values():
                        shared = together if stage in OF_RUN else self.runs_of(read)
                        want(read, shared if read.stage in RUN_STAGES else ({},))
        jobs.reverse()
        return [Job(job.node, job.runs, self._stored(job)) for job in jobs]

    def _asked(self, targets: Iterable[str]) -> list[Node]:
        targets = list(targets)
        figures = [self.plan.figures[name] for name in targets if name in self.plan.figures]
        return [*figures, *self.plan.target_tables(targets)]

    def _together(self, stage: str, runs: Iterable[RunAxes]) -> list[tuple[RunAxes, ...]]:
        """The runs of each job that makes some runs: all that differ in the packed axes alone."""
        if stage not in RUN_STAGES:
            return [({},)]
        apart = [axis for axis in ("beta", "seed") if axis not in self._pack(stage)]
        asked = {tuple(run[axis] for axis in apart) for run in runs}
        groups: dict[tuple[Any, ...], list[RunAxes]] = {}
        for run in self.runs:
            axes = tuple(run[axis] for axis in apart)
            if axes in asked:
                groups.setdefault(axes, []).append(run)
        return [tuple(group) for group in groups.values()]

    def _pack(self, stage: str) -> tuple[str, ...]:
        return tuple(getattr(self.plan.study, stage).pack)

    # --- what the store has ---------------------------------------------------------------------

    def _stored(self, job: Job) -> int:
        if job.node.stage not in READS:
            return 0  # a table or a figure takes seconds in any case
        return sum(self._key(job.node, run) is not None for run in job.runs)

    def _key(self, node: Node, run: RunAxes) -> str | None:
        """The store key of a result if the store has its object; it follows from its inputs."""
        path = self.path(node, run)
        if path not in self._keys:
            key = self._wanted_key(node, run)
            there = key is not None and (self.store.path(key) / RECORD).exists()
            self._keys[path] = key if there else None
        return self._keys[path]

    def _wanted_key(self, node: Node, run: RunAxes) -> str | None:
        inputs = {}
        for name, (read, file) in READS[node.stage].items():
            of_run = run if node.reads[read].stage in RUN_STAGES else {}
            if (content := self._content(node.reads[read], of_run, file)) is None:
                return None
            inputs[name] = content
        axes = {axis: value for axis, value in run.items() if axis != "checkpoint"}
        settings = {**node.settings, "run": axes}
        if node.stage == "training" and "checkpoint" in run:
            settings["iterations"] = run["checkpoint"]
        return identity(node.stage, settings, node.code, inputs)

    def _content(self, node: Node, run: RunAxes, file: str) -> str | None:
        """The content digest of a file that exists, or whose object the store has."""
        link = self.path(node, run, file)
        if link not in self._contents:
            folder = None
            if Path(link).exists():
                folder = str(Path(link).resolve().parent)
            elif key := self._key(node, run):
                folder = str(self.store.path(key))
            record = self.record(folder) if folder else None
            self._contents[link] = record["files"].get(file, {}).get("content") if record else None
        return self._contents[link]

    def record(self, folder: str) -> Record | None:
        """The record of an object, if it can be read; its digest is not checked."""
        if folder not in self._records:
            self._records[folder] = read_record(folder)
        return self._records[folder]


def read_record(folder: str) -> Record | None:
    """The record of an object, if it can be read and is one."""
    with suppress(OSError, ValueError), Path(folder, RECORD).open("rb") as file:
        record = json.load(file)
        if isinstance(record, dict) and isinstance(record.get("files"), Mapping):
            return record
    return None


def measure_of(node: Node) -> str:
    """The measure of a diagnostic."""
    return node.name.partition("/")[0]


def ends(runs: Iterable[RunAxes]) -> list[RunAxes]:
    """Runs without their checkpoints."""
    return [run for run in runs if "checkpoint" not in run]
