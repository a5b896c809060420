"""The plan: where each result of a study lies, and what the job that makes it must be told.

Each result is a node, with an address that is known before anything has run: the name it has in
the study and a digest of the settings, the code and the addresses it rests on. So a changed
setting or a changed line of code is a new path, and what exists is current.
"""

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rdpipe.claims.roles import cast
from rdpipe.common.errors import RdpipeError
from rdpipe.store.digests import identity
from rdpipe.store.fingerprint import fingerprint
from rdpipe.study.settings.diagnostics import FILES
from rdpipe.study.settings.figures import Claim
from rdpipe.study.settings.splits import CV
from rdpipe.study.settings.study import Study

RESULTS = "results"
# whose nodes have one result for each β and seed
RUN_STAGES = ("training", "evaluation", "diagnostics")
FORMATS = ("pdf", "png", "csv")  # of a figure
OF_FIRST_SEED = ("reconstructions.npz",)  # files of which a table shows one seed's alone
TABLES = ("rd", "rd_summary", "neighbours")  # each as .parquet and .csv
# {"beta": float, "seed": int}, and at a checkpoint its iteration as {"checkpoint": int}
RunAxes = Mapping[str, Any]
RUN_PATH = "beta-{beta}/seed-{seed}"
CHECKPOINT_PATH = "/iteration-{checkpoint}"  # below RUN_PATH


def spell(axis: str, value: float) -> str:
    """A value of β or seed as paths spell it."""
    return f"{value:g}" if axis == "beta" else str(value)


def address_pattern(stage: str) -> str:
    """Regular expression of a stage's addresses.

    It does not list them: Snakemake goes through its text for every file, so planning would grow
    with the square of their number.
    """
    names = {"training": 2, "evaluation": 2, "diagnostics": 3}.get(stage, 1)
    return "/".join(names * ["[a-z][a-z0-9_-]*"]) + "-[0-9a-f]{10}"


def file_of(diagnostic: str) -> str:
    """The file that a diagnostic of this name, `measure/split/arch`, makes of each run."""
    return FILES.get(diagnostic.partition("/")[0], "metrics.parquet")


@dataclass(frozen=True)
class Node:
    """One result of a stage; of RUN_STAGES, those of all betas and seeds.

    Attributes
    ----------
    stage
        One of STAGES.
    name
        The name in the study; of runs, `split/arch`, and of their diagnostics,
        `measure/split/arch`.
    modules
        The modules that compute it. The first is called; the others are those that it finds by
        name, such as that of a kind of architecture.
    settings
        What the module is told, and the store key covers.
    reads
        The nodes it is made from.
    """

    stage: str
    name: str
    modules: tuple[str, ...]
    settings: Mapping[str, Any]
    reads: Mapping[str, "Node"]

    @cached_property
    def code(self) -> str:
        """Code fingerprint of the modules."""
        return _code(self.modules)

    @cached_property
    def digest(self) -> str:
        """The path digest: ten hex digits."""
        reads = {key: node.digest for key, node in self.reads.items()}
        return identity(self.stage, self.settings, self.code, reads)[:10]

    @property
    def address(self) -> str:
        """`name-digest`: the path of the result below the stage's folder."""
        return f"{self.name}-{self.digest}"

    @property
    def path(self) -> str:
        """Path of this result: a folder, or of a figure, its files without their endings."""
        return f"{RESULTS}/{self.stage}/{self.address}"

    def file(self, name: str) -> str:
        """Path of a file of this result."""
        return f"{self.path}/{name}"

    def files(self, name: str, runs: Iterable[RunAxes]) -> list[str]:
        """Paths of one file of each run."""
        return [self.file(f"{_run_path(run)}/{name}") for run in runs]

    def spec(self, runs: Sequence[RunAxes] = ({},)) -> dict[str, Any]:
        """What a job needs to know beside its paths, in builtins; `runs` are those it makes."""
        return {
            "stage": self.stage,
            "name": self.name,
            "modules": list(self.modules),
            "code": self.code,
            "settings": dict(self.settings),
            "runs": [dict(run) for run in runs],
        }


class Plan:
    """All nodes of a study, by stage and name (see `Node`).

    Parameters
    ----------
    study
        The study.
    contents
        The digest of what the user's own files hold, by the name of the dataset of own images, or
        by `figures.<name>` for a figure with published points (`rdpipe.study.own_files.contents`).
    """

    def __init__(
        self, study: Study, contents: Mapping[str, str | None] = MappingProxyType({})
    ) -> None:
        self.study = study
        self.contents = contents
        # of each axis of runs, by how paths spell them
        self.values: dict[str, dict[str, Any]] = {
            "beta": {spell("beta", beta): beta for beta in study.betas},
            "seed": {spell("seed", seed): seed for seed in study.seeds},
        }
        self.datasets = {name: self._dataset(name) for name in study.datasets}
        self.splits = {name: self._split(name) for name in study.splits}
        self.neighbours = {name: self._neighbours(name) for name in study.splits}
        pairs = dict.fromkeys(pair for name in study.experiments for pair in self._pairs(name))
        self.training = {"/".join(pair): self._training(*pair) for pair in pairs}
        self.evaluation = {"/".join(pair): self._evaluation(*pair) for pair in pairs}
        asked = dict.fromkeys(
            (measure, *pair)
            for name, experiment in study.experiments.items()
            for measure, pair in itertools.product(experiment.diagnostics, self._pairs(name))
        )
        asked |= dict.fromkeys(
            (figure.diagnostic, *pair)
            for figure in study.figures.values()
            if figure.diagnostic and figure.experiment
            for pair in self._pairs(figure.experiment)
        )
        self.diagnostics = {"/".join(names): self._diagnostic(*names) for names in asked}
        self.tables = {name: self._table(name) for name in study.experiments}
        self.figures = {name: self._figure(name) for name in study.figures}

    def addresses(self, stage: str) -> list[str]:
        """The current addresses of a stage."""
        return [node.address for node in getattr(self, stage).values()]

    def node(self, stage: str, address: str) -> Node:
        """The node of a current address.

        Raises
        ------
        RdpipeError
            If the study has no result of this address.
        """
        node: Node | None = getattr(self, stage).get(address.rpartition("-")[0])
        if node is None or node.address != address:
            raise RdpipeError(
                f"{RESULTS}/{stage}/{address} is no result of the present study and code; "
                "ask for a target, as in `snakemake fig3`, which finds the paths itself."
            )
        return node

    def runs(self, pack: Sequence[str], axes: Mapping[str, str]) -> list[RunAxes]:
        """The runs of one job: all values of the packed axes, the given value of the others.

        Each run comes at its checkpoints first and then at its end.
        """
        betas, seeds = (
            list(every.values()) if axis in pack else [every[axes[axis]]]
            for axis, every in self.values.items()
        )
        ends = [*({"checkpoint": n} for n in self.study.training.checkpoints), {}]
        return [
            {"beta": beta, "seed": seed} | end
            for beta, seed, end in itertools.product(betas, seeds, ends)
        ]

    @property
    def run_paths(self) -> list[str]:
        """What follows RUN_PATH in the paths of a run's results, in the order of `runs`."""
        checkpoints = self.study.training.checkpoints
        return [*(CHECKPOINT_PATH.format(checkpoint=n) for n in checkpoints), ""]

    def places(self, dataset: str) -> dict[str, str | None]:
        """Where the files of a dataset lie. They may move without a new address."""
        return self.study.datasets[dataset].places(self.study.downloads)

    def neighbour_inputs(self, table: Node) -> list[str]:
        """The distances to nearest neighbours of each split of a table."""
        splits = table.settings["splits"]
        return [self.neighbours[name].file("distances.parquet") for name in splits]

    def table_inputs(
        self, table: Node, file: str, stage: str = "evaluation", measure: str = ""
    ) -> list[str]:
        """One file of every run of a table, of a stage, in the order of its setting `runs`.

        Of OF_FIRST_SEED, those of the smallest seed at the end of training. Of the stage
        diagnostics, those of one measure.
        """
        end = self.study.training.iterations
        runs = [
            run if run["iteration"] == end else {**run, "checkpoint": run["iteration"]}
            for run in table.settings["runs"]
        ]
        if file in OF_FIRST_SEED:
            first = min(run["seed"] for run in runs)
            runs = [run for run in runs if run["seed"] == first and "checkpoint" not in run]
        grouped = itertools.groupby(runs, key=lambda run: f"{run['split']}/{run['arch']}")
        nodes: Mapping[str, Node] = getattr(self, stage)
        names = ((f"{measure}/{pair}" if measure else pair, rows) for pair, rows in grouped)
        return [path for name, rows in names for path in nodes[name].files(file, rows)]

    def diagnostic_inputs(self, table: Node) -> list[str]:
        """metrics.parquet of every run of a table, for one measure of the table after another."""
        return [
            path
            for measure in table.settings.get("measures", ())
            for path in self.table_inputs(table, "metrics.parquet", "diagnostics", measure)
        ]

    def figure_inputs(self, figure: Node) -> dict[str, str]:
        """The files a figure is drawn from, by the names its module knows."""
        files = {
            "dataset": {"images": "images.npz", "factors": "factors.parquet"},
            "table": {
                "runs": "rd.parquet",
                "summary": "rd_summary.parquet",
                "neighbours": "neighbours.parquet",
                "reconstructions": "reconstructions.npz",
            },
        }
        judged = {"runs": "rd.parquet", "neighbours": "neighbours.parquet"}
        if figure.settings.get("claims"):
            return {
                f"{experiment}/{name}": node.file(file)
                for experiment, node in figure.reads.items()
                for name, file in judged.items()
            }
        inputs = {
            name: node.file(file)
            for source, node in figure.reads.items()
            for name, file in files.get(source, {}).items()
        }
        for node in figure.reads.values():
            if node.stage == "diagnostics":
                inputs |= self._of_runs(node)
        if published := self.study.figures[figure.name].published:
            inputs["published"] = published
        return inputs

    def _of_runs(self, node: Node) -> dict[str, str]:
        """What a diagnostic made of each run, by `measure/split/arch/beta/seed`, and the parts.

        Of pictures, those of the smallest seed.
        """
        measure, split, _ = node.name.split("/")
        seeds = [min(self.study.seeds)] if measure == "pictures" else self.study.seeds
        files = {
            f"{node.name}/{spell('beta', beta)}/{seed}": path
            for beta, seed in itertools.product(self.study.betas, seeds)
            for path in node.files(file_of(node.name), [{"beta": beta, "seed": seed}])
        }
        if measure == "leave_out":
            files[f"assignment/{split}"] = self.splits[split].file("assignment.parquet")
        return files

    def own_file(self, name: str) -> str:
        """Path of a file about the study as a whole, such as its report."""
        return f"{RESULTS}/{self.study.name}/{name}"

    # A target is a name a person would type: a figure, or an experiment.

    @property
    def targets(self) -> list[str]:
        """All names that are targets."""
        return list(dict.fromkeys([*self.figures, *self.tables]))

    def target_runs(self, targets: Iterable[str]) -> int:
        """How many different runs some targets rest on."""
        pairs = {name for table in self.target_tables(targets) for name in table.reads}
        return len(pairs & set(self.training)) * len(self.study.betas) * len(self.study.seeds)

    def target_files(self, targets: Sequence[str]) -> list[str]:
        """The files that make up some targets."""
        return [
            *(f"{node.path}.{kind}" for node in self._target_figures(targets) for kind in FORMATS),
            *(
                node.file(f"{name}.{kind}")
                for node in self.target_tables(targets)
                for name in TABLES
                for kind in ("parquet", "csv")
            ),
        ]

    def target_links(self, targets: Sequence[str]) -> dict[str, str]:
        """Plain name of each result of some targets -> the current result, relative to its folder.

        All plain names lie in `results/<name of the study>/`.
        """
        return {
            name: os.path.relpath(path, Path(name).parent)
            for node in self.target_nodes(targets)
            for name, path in self.names(node).items()
        }

    def target_nodes(self, targets: Iterable[str]) -> list[Node]:
        """The figures and tables that have a plain name in the results of some targets."""
        return [*self._target_figures(targets), *self.target_tables(targets)]

    def names(self, node: Node) -> dict[str, str]:
        """Each plain name of a figure or a table -> its current result."""
        ends = [f".{kind}" for kind in FORMATS] if node.stage == "figures" else [""]
        folder = f"{RESULTS}/{self.study.name}/{node.stage}"
        return {f"{folder}/{node.name}{end}": node.path + end for end in ends}

    def inputs(self, node: Node) -> dict[str, str | list[str]]:
        """The files that a figure or a table is made from, by the names that its job knows."""
        if node.stage == "figures":
            return dict(self.figure_inputs(node))
        return {
            "metrics": self.table_inputs(node, "metrics.parquet"),
            "reconstructions": self.table_inputs(node, "reconstructions.npz"),
            "diagnostics": self.diagnostic_inputs(node),
            "distances": self.neighbour_inputs(node),
        }

    def target_tables(self, targets: Iterable[str]) -> list[Node]:
        """The tables of some targets: those a figure reads, or those of an experiment itself.

        A name that is both is the figure, whatever experiment it is drawn from.
        """
        of_each = (
            self.figures[name].reads.values() if name in self.figures else [self.tables[name]]
            for name in targets
        )
        found = {node.name: node for of_one in of_each for node in of_one}
        return [node for node in found.values() if node.stage == "tables"]

    def _target_figures(self, targets: Iterable[str]) -> list[Node]:
        return [self.figures[name] for name in targets if name in self.figures]

    # What figures and reports call splits and architectures by.

    def split_facts(self, name: str) -> dict[str, Any]:
        """The facts about a split that its label in figures may show."""
        dataset = self.study.splits[name].dataset
        kind = self.study.datasets[dataset].kind
        return {"name": name, "dataset": dataset, "dataset_kind": kind}

    def arch_facts(self, name: str) -> dict[str, Any]:
        """The facts about an architecture that its label in figures may show: all settings."""
        return {"name": name, **self.study.archs[name].result_settings()}

    # One method a stage: what its node is told, and what it reads.

    def _dataset(self, name: str) -> Node:
        dataset = self.study.datasets[name]
        settings = dataset.result_settings(without=["kind"])  # the module has its name
        if dataset.own_files:
            settings["content"] = self.contents[name]
        return Node("datasets", name, (f"rdpipe.datasets.{dataset.kind}",), settings, {})

    def _split(self, name: str) -> Node:
        split = self.study.splits[name]
        settings = split.result_settings(without=["dataset"])
        reads = {"dataset": self.datasets[split.dataset]}
        return Node("splits", name, ("rdpipe.splits",), settings, reads)

    def _neighbours(self, split: str) -> Node:
        reads = {"split": self.splits[split]}
        return Node("neighbours", split, ("rdpipe.neighbours",), {}, reads)

    def _training(self, split: str, arch: str) -> Node:
        settings = self.study.training.result_settings(without=["checkpoints"])  # in the paths
        settings["arch"] = self.study.archs[arch].result_settings()
        reads = {"split": self.splits[split]}
        modules = ("rdpipe.training.train", *self._found(arch))
        return Node("training", f"{split}/{arch}", modules, settings, reads)

    def _evaluation(self, split: str, arch: str) -> Node:
        settings = self.study.evaluation.result_settings()
        name = f"{split}/{arch}"
        reads = {
            "split": self.splits[split],
            "neighbours": self.neighbours[split],
            "training": self.training[name],
        }
        modules = ("rdpipe.evaluation.evaluate", *self._found(arch))
        return Node("evaluation", name, modules, settings, reads)

    def _diagnostic(self, measure: str, split: str, arch: str) -> Node:
        settings = self.study.diagnostics.measure(measure)
        reads = {"split": self.splits[split], "training": self.training[f"{split}/{arch}"]}
        modules = (f"rdpipe.diagnostics.{measure}", *self._found(arch))
        return Node("diagnostics", f"{measure}/{split}/{arch}", modules, settings, reads)

    def _found(self, arch: str) -> tuple[str, ...]:
        """The modules that an architecture's networks, prior and likelihood are found in."""
        settings = self.study.archs[arch]
        return (
            f"rdpipe.vae.{settings.kind}",
            f"rdpipe.vae.priors.{settings.prior.kind}",
            f"rdpipe.vae.likelihoods.{settings.likelihood}",
        )

    def _table(self, experiment: str) -> Node:
        pairs = self._pairs(experiment)
        lengths = [*self.study.training.checkpoints, self.study.training.iterations]
        runs = [
            {
                "dataset": self.study.splits[split].dataset,
                "split": split,
                "split_kind": self.study.splits[split].kind,
                "arch": arch,
                "beta": beta,
                "seed": seed,
                "iteration": iteration,
            }
            for (split, arch), beta, seed, iteration in itertools.product(
                pairs, self.study.betas, self.study.seeds, lengths
            )
        ]
        splits = list(self.study.experiments[experiment].splits)
        reads = {"/".join(pair): self.evaluation["/".join(pair)] for pair in pairs}
        reads |= {split: self.neighbours[split] for split in splits}
        settings: dict[str, Any] = {"runs": runs, "splits": splits}
        if measures := list(self.study.experiments[experiment].diagnostics):
            settings["measures"] = measures
            names = ("/".join((measure, *pair)) for measure in measures for pair in pairs)
            reads |= {name: self.diagnostics[name] for name in names}
        return Node("tables", experiment, ("rdpipe.tables",), settings, reads)

    def _figure(self, name: str) -> Node:
        figure = self.study.figures[name]
        settings: dict[str, Any] = {}
        reads: dict[str, Node] = {}
        if figure.dataset:
            reads = {"dataset": self.datasets[figure.dataset]}
        elif figure.splits:
            settings = {"splits": [self._split_rule(split) for split in figure.splits]}
        elif figure.experiment:
            experiment = self.study.experiments[figure.experiment]
            settings = {
                "splits": [self.split_facts(split) for split in experiment.splits],
                "archs": [self.arch_facts(arch) for arch in experiment.archs],
            }
            reads = {"table": self.tables[figure.experiment]}
            if figure.diagnostic:
                names = ["/".join((figure.diagnostic, *p)) for p in self._pairs(figure.experiment)]
                reads |= {name: self.diagnostics[name] for name in names}
            if figure.published:
                settings["published"] = self.contents[f"figures.{name}"]
        elif figure.claims:
            settings = {"claims": [self._claim(claim) for claim in figure.claims]}
            reads = {claim.experiment: self.tables[claim.experiment] for claim in figure.claims}
        return Node("figures", name, (f"rdpipe.figures.{figure.draw or name}",), settings, reads)

    def _claim(self, claim: Claim) -> dict[str, Any]:
        """A claim with the splits and architectures that play its roles."""
        experiment = self.study.experiments[claim.experiment]
        players = cast(claim.name, claim.roles, splits=experiment.splits, archs=experiment.archs)
        roles = {k: v if isinstance(v, str) else list(v) for k, v in players.items()}
        return {"name": claim.name, "experiment": claim.experiment, "roles": roles}

    def _pairs(self, experiment: str) -> list[tuple[str, str]]:
        chosen = self.study.experiments[experiment]
        return list(itertools.product(chosen.splits, chosen.archs))

    def _split_rule(self, name: str) -> dict[str, Any]:
        """The rule of a split for a sketch on a toy dataset: sizes as shares."""
        split = self.study.splits[name]
        n = self.study.datasets[split.dataset].facts.n
        rule = {"name": name, **split.result_settings(without=["dataset", "n_train"])}
        if isinstance(split, CV) and n is not None:
            rule["fraction"] = split.n_train / n
        return rule


def _run_path(run: RunAxes) -> str:
    """The path of a run's results below their address."""
    path = RUN_PATH.format(**{axis: spell(axis, run[axis]) for axis in ("beta", "seed")})
    return path + (CHECKPOINT_PATH.format(**run) if "checkpoint" in run else "")


@cache
def _code(modules: tuple[str, ...]) -> str:
    return fingerprint(modules)
