"""Time and memory of the job that makes the tables of an experiment, by its number of runs.

    python benchmarks/tables.py --runs 1200 6240 48000 --json tables.json

The evaluations are random numbers and some pictures in a separate store. The job is the job of the
workflow: it takes the digests of its inputs from the store, checks their bytes, and writes the
tables.
"""

import itertools
import runpy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from _common import ROOT, Row, alone, parser, save, show
from generation import LIMITS
from store import key_of, replicate
from workflow import CURVES, synthetic

from rdpipe.common.files import write_npz, write_parquet
from rdpipe.datasets.tetrominoes import render, sample_factors
from rdpipe.store.links import publish
from rdpipe.store.objects import Store
from rdpipe.study.plan import Node, Plan
from rdpipe.study.reading import read_study

PICTURES, SHOWN = ("input", "reconstruction", "optimal", "neighbour"), 8
COLUMNS = {"runs": "{:,}", "seconds": "{:.1f}", "peak_gb": "{:.2f}"}


def store_evaluations(folder: Path, plan: Plan) -> None:
    """Evaluations of all runs, and distances of all splits, as jobs would leave them."""
    store, keys = Store(folder / "store"), map(key_of, itertools.count())
    runs = [{"beta": beta, "seed": seed} for beta in plan.study.betas for seed in plan.study.seeds]
    for nodes, names, write in (
        (plan.evaluation, ("metrics.parquet", "reconstructions.npz"), write_evaluation),
        (plan.neighbours, ("distances.parquet",), write_distances),
    ):
        template = store.add(next(keys), write, dict)
        for node in nodes.values():
            files = ([node.file(name)] if nodes is plan.neighbours else node.files(name, runs)
                     for name in names)  # fmt: skip
            for paths in zip(*files, strict=True):
                stored = replicate(store, template, next(keys))
                publish(stored, dict(zip(names, map(folder.joinpath, paths), strict=True)))


def write_evaluation(folder: Path) -> None:
    """Random measures of a run, and its pictures."""
    from rdpipe.evaluation.evaluate import METRICS  # imports torch, which the job does without

    random = np.random.default_rng(0)
    columns = dict(zip(METRICS, random.random((len(METRICS), 2)), strict=True))
    head = {"part": ["train", "test"], "n": [16384, 147456], "status": 2 * ["finished"]}
    write_parquet(folder / "metrics.parquet", pd.DataFrame(head | columns))
    bins = dict.fromkeys(LIMITS, 2)
    shown = dict.fromkeys(PICTURES, render(sample_factors(0, bins, LIMITS))[:SHOWN])
    places = {"test": np.arange(SHOWN), "distance": random.random(SHOWN)}
    write_npz(folder / "reconstructions.npz", **places, **shown)


def write_distances(folder: Path) -> None:
    """Random distances of the test images of a split."""
    distances = {"nearest": 0, "distance": np.random.default_rng(0).random(147456)}
    write_parquet(folder / "distances.parquet", pd.DataFrame(distances))


def run_job(folder: Path, inputs: dict[str, list[str]], table: Node) -> None:
    """What Snakemake starts for the rule, with paths relative to `folder`."""
    names = ("rd.parquet", "rd.csv", "rd_summary.parquet", "rd_summary.csv")
    names += ("neighbours.parquet", "neighbours.csv", "reconstructions.npz")
    told = SimpleNamespace(
        input={name: [str(folder / path) for path in paths] for name, paths in inputs.items()},
        output=[str(folder / table.file(name)) for name in names],
        params=SimpleNamespace(spec=table.spec(), store=str(folder / "store")),
        log=[str(folder / "tables.log")],
    )
    runpy.run_path(str(ROOT / "workflow/scripts/tables.py"), {"snakemake": told})


def rows(counts: list[int]) -> Iterator[Row]:
    """Measure experiments of several sizes."""
    for count in counts:
        plan = Plan(read_study(synthetic(count, *CURVES)))
        table = plan.tables["growth"]
        inputs = {
            "metrics": plan.table_inputs(table, "metrics.parquet"),
            "reconstructions": plan.table_inputs(table, "reconstructions.npz"),
            "distances": plan.neighbour_inputs(table),
        }
        with tempfile.TemporaryDirectory() as folder:
            store_evaluations(Path(folder), plan)
            yield {"runs": len(inputs["metrics"])} | alone(run_job, Path(folder), inputs, table)


def main() -> None:
    """Print one line a size; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, nargs="+", default=[6240], help="in steps of 120")
    given = options.parse_args()
    save(given.json, show("Tables of one experiment", rows(given.runs), COLUMNS))


if __name__ == "__main__":
    main()
