"""Time and memory of planning: a dry run, and a call when everything is done, by number of runs.

    python benchmarks/workflow.py --runs 120 1200 12000 48000 --packs 60 240 600 1200

The studies are the paper's and two synthetic series. The first has the same β and seeds on more and
more splits. The second has a fixed number of runs in larger and larger packs. Nothing is trained:
empty files, links and records are laid out as a finished study leaves them.
"""

import hashlib
import os
import re
import shutil
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from _common import ROOT, Row, parser, save, show, snakemake
from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord
from snakemake.persistence.file import FilePersistence

from rdpipe.study.plan import FORMATS, RUN_STAGES, TABLES, Node, Plan, RunAxes
from rdpipe.study.reading import read_study

FILES = {
    "datasets": ("images.npz", "factors.parquet", "manifest.json"),
    "splits": ("train.npz", "test.npz", "assignment.parquet", "manifest.json"),
    "neighbours": ("distances.parquet",),
    "training": ("model.safetensors", "history.parquet", "run.json"),
    "evaluation": ("metrics.parquet", "reconstructions.npz"),
    "tables": (
        *(f"{name}.{kind}" for name in TABLES for kind in ("parquet", "csv")),
        "reconstructions.npz",
    ),
}
ARCHS = ("mlp-1", "mlp-3")
CURVES = (12, 5)  # β and seeds of the paper
PACKS = {60: CURVES, 240: (24, 10), 600: (30, 20), 1200: (40, 30)}
"""Runs of a pack -> numbers of β and seeds."""
RUNS_IN_PACKS = 12_000
PACKING = {
    "single": (),
    "packed": ("training={pack: [beta, seed]}", "evaluation={pack: [beta, seed]}"),
}
CALLS = {"dry run": ["--dry-run"], "all done": []}
COLUMNS = {
    "study": "{}", "runs": "{:,}", "pack": "{:,}", "call": "{}", "jobs": "{:,}",
    "seconds": "{:.1f}", "cpu_seconds": "{:.1f}", "ms_per_run": "{:.2f}", "peak_gb": "{:.2f}",
}  # fmt: skip


def paper() -> dict[str, Any]:
    """The configuration of the paper's study."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    return config


def synthetic(runs: int, betas: int, seeds: int) -> dict[str, Any]:
    """A configuration with one experiment of so many runs, and one figure."""
    config = paper()
    names = [f"cv-{i}" for i in range(runs // (len(ARCHS) * betas * seeds))]
    return config | {
        "datasets": {"tetrominoes": config["datasets"]["tetrominoes"]},
        "splits": {
            name: {"dataset": "tetrominoes", "kind": "cv", "n_train": 8192 + i}
            for i, name in enumerate(names)
        },
        "archs": {name: config["archs"][name] for name in ARCHS},
        "betas": [i / 100 for i in range(1, betas + 1)],
        "seeds": list(range(seeds)),
        "experiments": {"growth": {"splits": names, "archs": list(ARCHS)}},
        "figures": {"growth": {"draw": "fig4", "experiment": "growth"}},
        "targets": ["growth"],
    }


@dataclass(frozen=True)
class Made:
    """A job and what it made: the files of each of its objects."""

    stage: str
    inputs: Sequence[str]
    spec: Mapping[str, Any]
    objects: Sequence[Sequence[str]]


def jobs(plan: Plan, pack: int) -> Iterator[Made]:
    """All jobs of a study, with packs of so many runs."""
    betas, seeds = plan.study.betas, plan.study.seeds
    runs = [{"beta": beta, "seed": seed} for beta in betas for seed in seeds]
    for stage, names in FILES.items():
        for node in getattr(plan, stage).values():
            for first in range(0, len(runs) if stage in RUN_STAGES else 1, pack):
                some = runs[first : first + pack] if stage in RUN_STAGES else [{}]
                of_run = (node.files(name, some) if some[0] else [node.file(name)]
                          for name in names)  # fmt: skip
                read = inputs(plan, node, some)
                yield Made(stage, read, node.spec(some), list(zip(*of_run, strict=True)))
    for figure in plan.figures.values():
        files = [f"results/figures/{figure.address}.{kind}" for kind in FORMATS]
        yield Made("figures", list(plan.figure_inputs(figure).values()), figure.spec(), [files])


def inputs(plan: Plan, node: Node, runs: Sequence[RunAxes]) -> list[str]:
    """Those of the jobs that have many, or are many."""
    if node.stage == "training":
        return [node.reads["split"].file("train.npz")]
    if node.stage == "evaluation":
        trained = [path for name in ("model.safetensors", "run.json")
                   for path in node.reads["training"].files(name, runs)]  # fmt: skip
        split = [node.reads["split"].file(f"{part}.npz") for part in ("train", "test")]
        return [*split, node.reads["neighbours"].file("distances.parquet"), *trained]
    if node.stage == "tables":
        return [path for file in FILES["evaluation"] for path in plan.table_inputs(node, file)]
    return []


def pretend(folder: Path, plan: Plan, pack: int) -> None:
    """Lay out empty results, a store and Snakemake's records, as if a study had been run."""
    records = FilePersistence(path=folder / ".snakemake", nolock=True)
    environment = b64encode((ROOT / "envs/rdpipe.yaml").read_bytes()).decode()
    for job in jobs(plan, pack):
        small = [path for path in job.inputs if not path.endswith((".npz", ".safetensors"))]
        record = MetadataRecord(
            rule=job.stage,
            input=sorted(job.inputs),
            log=[f"results/logs/{job.objects[0][0]}.log"],
            shellcmd=None,
            params=[repr(job.spec)],
            code="script",
            record_format_version=RECORD_FORMAT_VERSION,
            conda_env=environment,
            input_checksums=dict.fromkeys(small, f"sha256:{64 * '0'}"),
        )
        for paths in job.objects:
            key = hashlib.sha256(paths[0].encode()).hexdigest()
            stored = folder / "results/store/objects" / key[:2] / key
            stored.mkdir(parents=True)
            (stored / "record.json").touch()
            published = (folder / paths[0]).parent
            published.mkdir(parents=True, exist_ok=True)
            relative = os.path.relpath(stored, published)
            for path in paths:
                name = Path(path).name
                (stored / name).touch()
                (published / name).symlink_to(f"{relative}/{name}")
                records._write_record(path, record)


def measure(
    name: str, config: dict[str, Any], calls: Sequence[str], packings: Sequence[str]
) -> Iterator[Row]:
    """Call the workflow on one study in several ways."""
    plan = Plan(read_study(config))
    runs = plan.target_runs(plan.targets)
    pack = {"single": 1, "packed": len(plan.study.betas) * len(plan.study.seeds)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
        for call in calls:
            for packing in packings:
                if call == "all done":
                    for made in (".snakemake", "results"):
                        shutil.rmtree(folder / made, ignore_errors=True)
                    pretend(folder, plan, pack[packing])
                settings = ("--cores", "1", *CALLS[call], "--config", *PACKING[packing])
                cost, text = snakemake(folder, *settings)
                planned = int(re.findall(r"^ *total +(\d+) *$", text, re.MULTILINE)[0])
                assert call == "dry run" or planned == 1, "something was found to do"
                axes = {"study": name, "runs": runs, "pack": pack[packing], "call": call}
                yield {**axes, "jobs": planned, **cost, "ms_per_run": 1000 * cost["seconds"] / runs}


def rows(counts: Sequence[int], packs: Sequence[int]) -> Iterator[Row]:
    """The paper's study, then growth by splits, then growth by pack."""
    yield from measure("paper", paper(), tuple(CALLS), tuple(PACKING))
    for runs in counts:
        yield from measure("splits", synthetic(runs, *CURVES), tuple(CALLS), tuple(PACKING))
    for pack in packs:
        study = synthetic(RUNS_IN_PACKS, *PACKS[pack])
        yield from measure("packs", study, ("dry run",), ("packed",))


def main() -> None:
    """Print one line a call; write them all to --json."""
    options = parser(__doc__)
    options.add_argument(
        "--runs", type=int, nargs="*", default=[120, 1200], help="of studies, in steps of 120"
    )
    options.add_argument(
        "--packs", type=int, nargs="*", choices=PACKS, default=[], help="runs of a pack"
    )
    given = options.parse_args()
    save(given.json, show("Planning", rows(given.runs, given.packs), COLUMNS))


if __name__ == "__main__":
    main()
