"""The tests' study with results that real jobs of the store have made from small made-up files."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from safetensors.numpy import save_file

from rdpipe.common.files import write_json, write_npz, write_parquet
from rdpipe.overview.results import READS, Results
from rdpipe.store.jobs import Item, Job
from rdpipe.study.plan import FORMATS, Node, Plan
from rdpipe.study.reading import merge
from tests import ROOT
from tests.study._changes import changed_plan

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
merge(CONFIG, yaml.safe_load((ROOT / "config/tests.yaml").read_text("utf-8")))
for block, names in {
    "datasets": ["tiny"], "splits": ["half"], "archs": ["mlp-1"], "experiments": ["fig3"],
    "figures": ["fig1", "fig3"],
}.items():  # fmt: skip
    CONFIG[block] = {name: CONFIG[block][name] for name in names}  # and nothing of the paper's
MADE = {
    "datasets": ("images.npz", "factors.parquet", "manifest.json"),
    "splits": ("assignment.parquet", "manifest.json", "test.npz", "train.npz"),
    "neighbours": ("distances.parquet",),
    "training": ("model.safetensors", "history.parquet", "run.json"),
    "evaluation": ("metrics.parquet", "reconstructions.npz"),
}


def plan(**changes) -> Plan:
    """The plan of the tests' study with some settings changed, keys written with dots."""
    return changed_plan(CONFIG, changes)


def make(study: Plan, stage: str, status: str = "finished") -> None:
    """Make all results of a stage, by jobs of the store that write made-up files."""
    results = Results(study)
    for node in getattr(study, stage).values():
        runs = list(results.runs_of(node))
        items = [_item(results, node, run) for run in runs]
        job = Job(node.spec(runs), store=study.study.store, log_file=f"results/logs/{stage}/x.log")
        job.make_all(
            items,
            lambda missing, _state: [(item, _write(item, status)) for item in missing],
        )


def make_all(study: Plan) -> None:
    """Make all results of the study."""
    for stage in MADE:
        make(study, stage)
    for node in study.tables.values():
        _touch(
            Path(node.file(f"{name}.{kind}"))
            for name in ("rd", "rd_summary", "neighbours")
            for kind in ("parquet", "csv")
        )
        _touch([Path(node.file("reconstructions.npz"))])
    for node in study.figures.values():
        _touch(Path(f"results/figures/{node.address}.{kind}") for kind in FORMATS)


def remove(study: Plan, *stages: str) -> None:
    """Remove the links to all results of some stages; the store keeps them."""
    results = Results(study)
    for stage in stages:
        for node in getattr(study, stage).values():
            for run in results.runs_of(node):
                for file in MADE[stage]:
                    Path(results.path(node, run, file)).unlink()


def _touch(paths) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def _item(results: Results, node: Node, run) -> Item:
    inputs = {}
    for name, (read, file) in READS[node.stage].items():
        inputs[name] = results.path(
            node.reads[read], run if "/" in node.reads[read].name else {}, file
        )
    outputs = {file: results.path(node, run, file) for file in MADE[node.stage]}
    return Item(inputs, outputs, run)


def _write(item: Item, status: str):
    number = float(item.axes.get("beta", 0)) + 10 * item.axes.get("seed", 0)

    def write(folder: Path) -> None:
        for name in item.outputs:
            match name.partition(".")[::2]:
                case "manifest", _:
                    about = {"n": 256, "shape": [32, 32, 3], "n_train": 128, "n_test": 128}
                    write_json(folder / name, about)
                case "run", _:
                    write_json(folder / name, {"status": status, **item.axes})
                case "metrics", _:
                    write_parquet(folder / name, _metrics(item, status, number))
                case _, "npz":
                    write_npz(folder / name, x=np.full(3, number))
                case _, "safetensors":
                    save_file({"x": np.full(3, number)}, folder / name)
                case _:
                    write_parquet(folder / name, pd.DataFrame({"x": [number]}))

    return write


def _metrics(item: Item, status: str, number: float) -> pd.DataFrame:
    return pd.DataFrame({
        "beta": 2 * [item.axes["beta"]], "seed": 2 * [item.axes["seed"]],
        "part": ["train", "test"], "status": status, "n": 128,
        "distortion": [number, number + 1], "rate": [1.0, 2.0], "memorization": [None, 0.5],
    })  # fmt: skip
