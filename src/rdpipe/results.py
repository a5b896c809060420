"""Finished results for people: tables, runs, models and figures, without Snakemake or a config.

`rdpipe.open("results")` returns a `Results`. It reads `study.json`, which every call of Snakemake
writes, and then only the files that are asked for.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json, read_npz, read_parquet
from rdpipe.common.names import unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rdpipe.model import Model

STUDY = "study.json"
TABLES = ("rd", "rd_summary", "neighbours")


@dataclass(frozen=True)
class Run:
    """One trained VAE: its files, read at first use.

    Attributes
    ----------
    split, arch
        Names in the study.
    beta, seed
        As trained.
    iteration
        After how many iterations: the end of training, or a checkpoint.
    folder
        With model.safetensors, history.parquet and run.json.
    evaluation
        The folder with metrics.parquet and reconstructions.npz.
    parts
        The folder with the images of its split.
    """

    split: str
    arch: str
    beta: float
    seed: int
    iteration: int
    folder: Path
    evaluation: Path
    parts: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """run.json: architecture, settings of the training, and `status`."""
        record: dict[str, Any] = read_json(_there(self.folder / "run.json"))
        return record

    @property
    def status(self) -> str:
        """Finished, diverged, or missing: not trained yet, or removed."""
        there = (self.folder / "run.json").exists()
        return str(self.record["status"]) if there else "missing"

    @cached_property
    def model(self) -> Model:
        """The trained model on the CPU, ready to encode and decode."""
        from rdpipe.model import Model  # imports torch, which tables do without

        _there(self.folder / "model.safetensors")
        return Model.load(self.folder)

    @cached_property
    def history(self) -> pd.DataFrame:
        """history.parquet: distortion, rate and objective in nats over the iterations.

        Each row is a mean over the interval of iterations that ends there.
        """
        return read_parquet(_there(self.folder / "history.parquet"))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """metrics.parquet: all measures, in rows `train` and `test`."""
        return read_parquet(_there(self.evaluation / "metrics.parquet")).set_index("part")

    @cached_property
    def reconstructions(self) -> dict[str, np.ndarray]:
        """reconstructions.npz: difficult test images, and what the run's decoder makes of them.

        Keys: `test` (M,), their rows in the test part; `input`, `neighbour` (the nearest training
        image), `reconstruction` and `optimal` (the optimal decoder), uint8 (M, H, W, C); and
        `distance` (M,), from input to neighbour.
        """
        return read_npz(_there(self.evaluation / "reconstructions.npz"))

    def images(self, part: str = "test") -> np.ndarray:
        """The images of the run's split, uint8 (N, H, W, C); `part` is "train" or "test"."""
        _known("part", part, ("train", "test"))
        return read_npz(_there(self.parts / f"{part}.npz"))["images"]


@dataclass(frozen=True)
class Results:
    """The results of one study.

    Attributes
    ----------
    folder
        The results folder.
    about
        What study.json says (see `rdpipe.study.about`).
    """

    folder: Path
    about: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path, study: str | None = None) -> Results:
        """See `rdpipe.open`."""
        found = {
            path.parent.name: path
            for path in sorted([*folder.glob(STUDY), *folder.glob(f"*/{STUDY}")])
        }
        if not found:
            raise RdpipeError(
                f"{folder} has no {STUDY}, so these are no results of this version; name another "
                "folder, or call snakemake once where it was computed."
            )
        if study is None:
            if len(found) > 1:
                raise RdpipeError(
                    f"{folder} has several studies; name one of {', '.join(found)}, as in "
                    f"rdpipe.open({str(folder)!r}, {next(iter(found))!r})."
                )
            (study,) = found
        return cls(folder, read_json(found[_known("study", study, found)]))

    def __repr__(self) -> str:
        """The names that its methods take."""
        listed = {
            "experiments": self.experiments,
            "figures": self.figures,
            "splits": self.splits,
            "archs": self.archs,
            "betas": [f"{beta:g}" for beta in self.betas],
            "seeds": map(str, self.seeds),
        }
        lines = [f"  {what}: {', '.join(names)}" for what, names in listed.items()]
        return "\n".join([f"Results in {self.folder}", *lines])

    @property
    def experiments(self) -> list[str]:
        """Names of experiments, which have tables."""
        return [*self.about["experiments"]]

    @property
    def figures(self) -> list[str]:
        """Names of figures."""
        return [*self.about["figures"]]

    @property
    def splits(self) -> list[str]:
        """Names of splits that have runs."""
        return list(dict.fromkeys(pair.partition("/")[0] for pair in self.about["runs"]))

    @property
    def archs(self) -> list[str]:
        """Names of architectures that have runs."""
        return list(dict.fromkeys(pair.partition("/")[2] for pair in self.about["runs"]))

    @property
    def betas(self) -> list[float]:
        """All β, as the study lists them."""
        return [float(beta) for beta in self.about["betas"].values()]

    @property
    def seeds(self) -> list[int]:
        """All seeds."""
        return [*self.about["seeds"].values()]

    def table(self, experiment: str, table: str = "rd") -> pd.DataFrame:
        """A table of an experiment; results/README.md explains the columns.

        Parameters
        ----------
        experiment
            Its name.
        table
            `rd`, each run with two rows; `rd_summary`, mean and deviation over seeds; or
            `neighbours`, the distances from test images to the training part.

        Raises
        ------
        RdpipeError
            If there is no such experiment, or its table is not made yet.
        """
        _known("table", table, TABLES)
        entry = self.about["experiments"][_known("experiment", experiment, self.experiments)]
        return read_parquet(_there(self.folder / entry["table"] / f"{table}.parquet"))

    def figure(self, name: str) -> Figure:
        """Draw a figure from its tables, as a matplotlib figure that can be changed and saved.

        Raises
        ------
        RdpipeError
            If there is no such figure, or its tables are not made yet.
        """
        from rdpipe import figures  # imports matplotlib, which tables do without

        entry = self.about["figures"][_known("figure", name, self.figures)]
        inputs = {  # published points are no results: their path is the user's own
            key: _there(Path(path) if key == "published" else self.folder / path)
            for key, path in entry["inputs"].items()
        }
        with tempfile.TemporaryDirectory() as folder:
            return figures.draw(entry["module"], Path(folder), inputs, entry["settings"])

    def numbers(self, name: str) -> pd.DataFrame:
        """The numbers that a figure shows; those of claims are their verdicts."""
        entry = self.about["figures"][_known("figure", name, self.figures)]
        return pd.read_csv(_there(self.folder / f"{entry['place']}.csv"))

    def run(
        self, split: str, arch: str, *, beta: float, seed: int, iteration: int | None = None
    ) -> Run:
        """One run; without `iteration` at the end of its training, else at this checkpoint.

        Raises
        ------
        RdpipeError
            If the study has no such run. It may have a run that is not trained yet.
        """
        pair = f"{split}/{arch}"
        for what, name, known in (
            ("split", split, self.splits),
            ("architecture", arch, self.archs),
            ("combination of split and architecture", pair, self.about["runs"]),
            ("β", f"{beta:g}", self.about["betas"]),
            ("seed", str(seed), self.about["seeds"]),
        ):
            _known(what, name, known)
        *checkpoints, end = self.about["iterations"]
        iteration = end if iteration is None else iteration
        _known("iteration", str(iteration), [str(n) for n in (*checkpoints, end)])
        below = f"beta-{beta:g}/seed-{seed}"
        below += f"/iteration-{iteration}" if iteration != end else ""
        folders = {stage: self.folder / path / below for stage, path in self._folders(pair)}
        parts = self.folder / self.about["splits"][split]
        return Run(
            split, arch, float(beta), seed, iteration, folders["training"], folders["evaluation"],
            parts,
        )  # fmt: skip

    def all_runs(self, experiments: Iterable[str] | None = None) -> Iterator[Run]:
        """All runs at the end of their training, whether they exist or not.

        With `experiments`, only those that one of them needs, each once.
        """
        pairs = dict.fromkeys(self.about["runs"])
        if experiments is not None:
            pairs = dict.fromkeys(pair for name in experiments for pair in self.pairs(name))
        for pair, beta, seed in itertools.product(pairs, self.betas, self.seeds):
            split, _, arch = pair.partition("/")
            yield self.run(split, arch, beta=beta, seed=seed)

    def runs(self) -> pd.DataFrame:
        """All runs of the study: their axes, `status` and `folder`."""
        rows = [
            (run.split, run.arch, run.beta, run.seed, run.status, str(run.folder))
            for run in self.all_runs()
        ]
        return pd.DataFrame(rows, columns=["split", "arch", "beta", "seed", "status", "folder"])

    def pairs(self, experiment: str) -> list[str]:
        """The `split/arch` of an experiment."""
        entry = self.about["experiments"][_known("experiment", experiment, self.experiments)]
        names = ([one["name"] for one in entry[key]] for key in ("splits", "archs"))
        return ["/".join(pair) for pair in itertools.product(*names)]

    def _folders(self, pair: str) -> Iterable[tuple[str, str]]:
        folders: dict[str, str] = self.about["runs"][pair]
        return folders.items()


def _there(path: Path) -> Path:
    """The path of a file, or one sentence if it does not exist."""
    if not path.exists():
        raise RdpipeError(
            f"{path} does not exist, so this result is not computed yet; call snakemake, or copy "
            "the results with their links and their store (`cp -a`)."
        )
    return path


def _known(what: str, name: str, known: Iterable[str]) -> str:
    """The name, or one sentence if it is unknown."""
    known = [*known]
    if name not in known:
        raise RdpipeError(unknown(what, name, known))
    return name
