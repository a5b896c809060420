"""The 240 runs of Figure 3 at the paper's length, without Snakemake, in as many calls as it takes.

    python benchmarks/figure3.py FOLDER [--seconds 400] [--tiny] [--json FILE]

Needs torch, numpy, safetensors, pandas and pyarrow. The settings are those of `config.yaml`. All β
and seeds of a split and an architecture train together. A call ends after about `--seconds`, or at
SIGTERM, and saves the state of the training. The next call goes on from there. The exit status is 0
if all runs are evaluated, and 3 if another call must go on. FOLDER/progress.json says how many runs
are done. FOLDER/tables has the tables of all runs that are evaluated.
"""

import logging
import math
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

from _common import parser, save
from safetensors import safe_open

from rdpipe.common.atomic import replacing
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json, read_npz, write_json
from rdpipe.datasets import tetrominoes
from rdpipe.evaluation.evaluate import write_evaluation
from rdpipe.evaluation.examples import load_split
from rdpipe.neighbours import write_neighbours
from rdpipe.splits import write_split
from rdpipe.store.rounds import forget, in_rounds
from rdpipe.tables import write_tables
from rdpipe.training.capacity import capacity
from rdpipe.training.pack import Run
from rdpipe.training.train import train, write_run

GO_ON = 3  # exit status: another call must go on


@dataclass(frozen=True)
class Study:
    """The settings of `config.yaml` for experiment fig3 (a test holds both equal)."""

    dataset: dict[str, Any]
    splits: dict[str, dict[str, Any]]
    archs: dict[str, dict[str, Any]]
    training: dict[str, Any]
    evaluation: dict[str, Any]
    save_every: float = 180.0  # seconds
    betas: tuple[float, ...] = (0.001, 0.005, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1, 2, 3, 5)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @property
    def packs(self) -> list[tuple[str, str]]:
        """Split and architecture of each pack, those that decide the paper's claims first."""
        return [(split, arch) for split in reversed(self.splits) for arch in reversed(self.archs)]


def mlp(layers: int, width: int) -> dict[str, Any]:
    """An architecture, as `train` takes it."""
    rest = {"latent": 10, "penalty": "rate", "early_stopping": None}
    rest |= {"prior": {"kind": "standard"}, "likelihood": "bernoulli"}
    return {"kind": "mlp", "layers": layers, "width": width, **rest}


LIMITS = {"angle": [0, 360], "hue": [0, 0.875], "scale": [2, 5], "x": [8, 23], "y": [8, 23]}
PAPER = Study(
    dataset={
        "seed": 0, "limits": LIMITS,
        "bins": {"angle": 16, "hue": 8, "scale": 5, "x": 16, "y": 16},
    },
    splits={
        "default": {"kind": "cv", "seed": 0, "n_train": 81920},
        "cv-16k": {"kind": "cv", "seed": 0, "n_train": 16384},
    },
    archs={"mlp-1": mlp(1, 512), "mlp-3": mlp(3, 512)},
    training={
        "iterations": 257_000, "batch_size": 128, "learning_rate": 0.001,
        "precision": "float32", "history_every": 1000,
    },
    evaluation={
        "examples": 8, "outer": 4096, "batch": 512, "memorization_images": 2048,
        "likelihood_images": 2000, "likelihood_samples": [100, 1000, 5000], "seed": 0,
    },
)  # fmt: skip
TINY = Study(
    dataset={
        "seed": 0, "limits": LIMITS, "bins": {"angle": 4, "hue": 2, "scale": 2, "x": 4, "y": 4},
    },
    splits={
        "default": {"kind": "cv", "seed": 0, "n_train": 128},
        "cv-16k": {"kind": "cv", "seed": 0, "n_train": 32},
    },
    archs={"mlp-1": mlp(1, 8), "mlp-3": mlp(3, 8)},
    training={
        "iterations": 20, "batch_size": 8, "learning_rate": 0.001,
        "precision": "float32", "history_every": 5,
    },
    evaluation={
        "examples": 2, "outer": 16, "batch": 8, "memorization_images": 8,
        "likelihood_images": 4, "likelihood_samples": [2, 4], "seed": 0,
    },
    save_every=0.0,
    seeds=(0, 1),
)  # fmt: skip


class OutOfTimeError(Exception):
    """The call has to end."""


class Clock:
    """Says when this call has to end: after some seconds, or at SIGTERM."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, *_: Any) -> None:
        self._end = -math.inf

    def over(self) -> bool:
        """Whether this call has to end."""
        return time.monotonic() >= self._end

    def check(self) -> None:
        """Raise OutOfTimeError if this call has to end."""
        if self.over():
            raise OutOfTimeError


def make(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder that is missing. A killed process leaves no half of it."""
    if folder.exists():
        return
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    write(part)
    part.rename(folder)


def prepare(folder: Path, study: Study) -> None:
    """Draw the dataset, split it, and find nearest neighbours."""
    dataset = folder / "datasets/tetrominoes"
    make(dataset, partial(tetrominoes.write_dataset, **study.dataset, threads=2))
    files = {"images": "images.npz", "factors": "factors.parquet", "manifest": "manifest.json"}
    inputs = {name: dataset / file for name, file in files.items()}
    for name, settings in study.splits.items():
        split = folder / "splits" / name
        make(split, partial(write_split, **inputs, **settings))
        parts = {part: split / f"{part}.npz" for part in ("train", "test")}
        make(folder / "neighbours" / name, partial(write_neighbours, **parts))


@dataclass(frozen=True)
class Pack:
    """The runs of one split and architecture: where they lie, and how far they are."""

    folder: Path
    study: Study
    split: str
    arch: str
    spent: dict[str, float] = field(default_factory=dict)
    """Seconds of training and evaluation, and model-steps taken, in calls that were not killed."""

    @cached_property
    def runs(self) -> dict[str, Run]:
        """The runs by their paths."""
        return {
            f"beta-{beta:g}/seed-{seed}": Run(float(beta), seed)
            for beta, seed in product(self.study.betas, self.study.seeds)
        }

    def place(self, stage: str, run: str = "") -> Path:
        """Folder of a stage's results for this pack, or for one run of it."""
        return self.folder / stage / self.split / self.arch / run

    def done(self, stage: str) -> list[str]:
        """The runs that have passed a stage."""
        return [run for run in self.runs if self.place(stage, run).exists()]

    @property
    def state(self) -> Path:
        """The saved state of the training."""
        return self.folder / "state" / f"{self.split}-{self.arch}.safetensors"

    def iteration(self) -> int:
        """How many iterations the saved state has behind it; 0 without a state."""
        try:
            with safe_open(self.state, "pt") as file:
                return int((file.metadata() or {}).get("step", 0))
        except OSError:
            return 0

    def progress(self) -> dict[str, Any]:
        """How far the pack is."""
        return {
            "split": self.split, "arch": self.arch, "runs": len(self.runs),
            "trained": len(self.done("training")), "evaluated": len(self.done("evaluation")),
            "iteration": self.iteration(), "iterations": self.study.training["iterations"],
            **self.spent,
        }  # fmt: skip

    def add(self, **spent: float) -> None:
        """Note what was spent."""
        for name, value in spent.items():
            self.spent[name] = self.spent.get(name, 0) + value


def train_pack(pack: Pack, clock: Clock) -> None:
    """Train what is missing of a pack, in rounds that fit the memory, or up to the clock's end."""
    missing = set(pack.runs) - set(pack.done("training"))
    if not missing:
        return
    images = read_npz(pack.folder / "splits" / pack.split / "train.npz")["images"]
    settings = {**pack.study.training, "arch": pack.study.archs[pack.arch]}
    how = {"state": pack.state, "save_every": pack.study.save_every, "stop": clock.over}

    def compute(together: list[str]) -> None:
        before, start, after = pack.iteration(), time.monotonic(), 0
        try:
            trained = train(images, [pack.runs[run] for run in together], **how, **settings)
            after = settings["iterations"]
        finally:
            steps = len(together) * ((after or pack.iteration()) - before)
            pack.add(training_seconds=time.monotonic() - start, model_steps=steps)
        for name, run in zip(together, trained, strict=True):
            make(pack.place("training", name), partial(write_run, run=run))
        forget(pack.state)

    pack.state.parent.mkdir(parents=True, exist_ok=True)
    in_rounds(list(pack.runs), missing, capacity(images, **settings), pack.state, compute)


def evaluate_pack(pack: Pack, clock: Clock) -> None:
    """Evaluate what is missing of a pack, one seed after another, or up to the clock's end."""
    missing = set(pack.runs) - set(pack.done("evaluation"))
    if not missing:
        return
    split = pack.folder / "splits" / pack.split
    distances = pack.folder / "neighbours" / pack.split / "distances.parquet"
    read = load_split(split / "train.npz", split / "test.npz", distances)
    for name in sorted(missing, key=lambda name: (pack.runs[name].seed, pack.runs[name].beta)):
        clock.check()
        run, start = pack.place("training", name), time.monotonic()
        files = {"run": run / "run.json", "model": run / "model.safetensors"}
        write = partial(write_evaluation, split=read, **files, **pack.study.evaluation)
        make(pack.place("evaluation", name), write)
        pack.add(evaluation_seconds=time.monotonic() - start)


def tabulate(folder: Path, packs: list[Pack]) -> None:
    """Write the tables of all runs that are evaluated, in the order of the study's own table."""
    kind = {"dataset": "tetrominoes", "split_kind": "cv"}
    rows, places = [], []
    for pack in reversed(packs):
        for name in pack.done("evaluation"):
            run = pack.runs[name]
            axes = {"split": pack.split, "arch": pack.arch, "beta": run.beta, "seed": run.seed}
            rows.append(kind | axes | {"iteration": pack.study.training["iterations"]})
            places.append(pack.place("evaluation", name))
    if not rows:
        return
    first = min(row["seed"] for row in rows)
    splits = list(dict.fromkeys(row["split"] for row in rows))
    new = folder / "tables-new"  # the old ones stay until the new ones are whole
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    write_tables(
        new,
        runs=rows,
        splits=splits,
        metrics=[place / "metrics.parquet" for place in places],
        reconstructions=[
            place / "reconstructions.npz"
            for row, place in zip(rows, places, strict=True)
            if row["seed"] == first
        ],
        distances=[folder / "neighbours" / split / "distances.parquet" for split in splits],
    )
    shutil.rmtree(folder / "tables", ignore_errors=True)
    new.rename(folder / "tables")


def packs_of(folder: Path, study: Study) -> Iterator[Pack]:
    """The packs, with what earlier calls have spent on them."""
    path = folder / "progress.json"
    spent = {
        (row["split"], row["arch"]): {name: row[name] for name in SPENT if name in row}
        for row in (read_json(path) if path.exists() else [])
    }
    for split, arch in study.packs:
        yield Pack(folder, study, split, arch, spent.get((split, arch), {}))


SPENT = ("training_seconds", "model_steps", "evaluation_seconds")


def work(folder: Path, packs: list[Pack], study: Study, clock: Clock) -> bool:
    """Go on with the study; whether all of it is done."""

    def tell() -> None:
        with replacing(folder / "progress.json") as new:
            write_json(new, [pack.progress() for pack in packs])

    tell()
    try:
        prepare(folder, study)
        for pack in packs:
            clock.check()
            try:
                train_pack(pack, clock)
                tell()
                evaluate_pack(pack, clock)
            finally:
                tell()
    except OutOfTimeError:
        return False
    except RdpipeError as error:
        if not clock.over():
            raise
        print(error)
        return False
    finally:
        tabulate(folder, packs)
    return True


def main() -> None:
    """Go on, and say with the exit status whether all is done."""
    command_line = parser(__doc__)
    command_line.add_argument("folder", type=Path, help="where everything is kept")
    command_line.add_argument("--seconds", type=float, default=math.inf, help="of this call")
    command_line.add_argument("--tiny", action="store_true", help="a tiny study, to try the script")
    given = command_line.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    given.folder.mkdir(parents=True, exist_ok=True)
    clock, study = Clock(given.seconds), TINY if given.tiny else PAPER
    packs = list(packs_of(given.folder, study))
    try:
        done = work(given.folder, packs, study, clock)
    except RdpipeError as error:
        sys.exit(str(error))
    save(given.json, [pack.progress() for pack in packs])
    sys.exit(0 if done else GO_ON)


if __name__ == "__main__":
    main()
