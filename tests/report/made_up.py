"""Results of a study that nobody computed: its files as a run of the workflow would leave them."""

import json
import math

import numpy as np
import pandas as pd
import yaml
from PIL import Image
from safetensors.torch import save_file

from rdpipe import tables
from rdpipe.claims.judging import judge
from rdpipe.common.files import read_parquet, write_csv, write_json, write_npz, write_parquet
from rdpipe.evaluation.evaluate import METRICS
from rdpipe.results import Results
from rdpipe.study import about
from rdpipe.study.plan import Plan
from rdpipe.study.reading import merge, read_study
from rdpipe.vae import networks
from rdpipe.vae.models import VAE
from tests import ROOT

SMALL = {
    "splits": {
        "dense": {"dataset": "tiny", "kind": "cv", "n_train": 128},
        "sparse": {"dataset": "tiny", "kind": "cv", "n_train": 32},
    },
    "archs": {"mlp-2": {"kind": "mlp", "layers": 2, "width": 8, "latent": 2}},
    "betas": [0.001, 0.1, 1, 5],
    "seeds": [0, 1, 2],
    "experiments": {
        "both": {"splits": ["dense", "sparse"], "archs": ["mlp-1", "mlp-2"]},
        "one": {"splits": ["sparse"], "archs": ["mlp-1"]},
    },
    "figures": {
        "fig1": {"dataset": "tiny"},
        "curves": {"draw": "fig3", "experiment": "both"},
        "claims": {
            "claims": [{"name": "information_saturates", "experiment": "both", "sparse": "sparse"}]
        },
    },
    "targets": ["fig1", "curves", "claims", "one"],
}


def plan_of(*overlays):
    """The plan of the tests' study under some overlays."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    for overlay in (yaml.safe_load((ROOT / "config/tests.yaml").read_text("utf-8")), *overlays):
        merge(config, overlay)
    for catalogue in ("experiments", "figures"):  # without those of the paper
        config[catalogue] = {name: config[catalogue][name] for name in overlays[-1][catalogue]}
    return Plan(read_study(config))


def results_of(folder, plan, *, diverged=(), missing=(), tables_of=None, write=None):
    """Write the results of a plan into `folder`/results, and open them.

    `diverged` and `missing` name runs as (split/arch, β, seed). Experiments outside `tables_of`
    have no table; by default those of missing runs have none. `write` writes a run in place of
    `write_run`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results"
    write_json_of(plan, results)
    opened = Results.read(results)
    for run in opened.all_runs():
        named = (f"{run.split}/{run.arch}", run.beta, run.seed)
        if named not in missing:
            status = "diverged" if named in diverged else "finished"
            (write or write_run)(run, plan, status)
    gone = {pair for pair, _, _ in missing}
    for name, node in plan.tables.items():
        complete = not gone.intersection(opened.pairs(name))
        if complete if tables_of is None else name in tables_of:
            write_tables(opened, plan, name, results / f"tables/{node.address}")
    draw(plan, results)
    return opened


def write_json_of(plan, results):
    results.mkdir(parents=True, exist_ok=True)
    write_json(results / about.FILE, about.about(plan, plan.targets))


def write_run(run, plan, status):
    """All files of one run; its curves have the shapes of the paper."""
    arch = plan.study.archs[run.arch].result_settings()
    record = {"arch": arch, "image_shape": [8, 8, 3], "beta": run.beta, "seed": run.seed}
    end = {"status": status, "diverged_at": 7 if status == "diverged" else None}
    images = np.random.default_rng(run.seed).integers(0, 256, (4, 2, 8, 8, 3), np.uint8)
    write_files(run, record | end, images, intervals=2 if status == "diverged" else 60)
    network = networks.build(arch, (8, 8, 3))
    save_file(VAE.initial(network, [run.seed]).run(0), run.folder / "model.safetensors")


def write_files(run, record, images, intervals):
    """All files of one run but its model, with pictures (4, M, H, W, C)."""
    run.folder.mkdir(parents=True)
    run.evaluation.mkdir(parents=True)
    write_json(run.folder / "run.json", record)
    at = np.arange(1, intervals + 1) * 10
    history = {"iteration": at, "distortion": 200 + 1000 / at, "rate": 20 * (1 - 0.9**at)}
    write_parquet(run.folder / "history.parquet", pd.DataFrame(history))
    write_parquet(run.evaluation / "metrics.parquet", metrics(run, record["status"]))
    named = dict(zip(("input", "neighbour", "reconstruction", "optimal"), images, strict=True))
    examples = len(images[0])
    rest = {"test": np.arange(examples), "distance": np.ones(examples)}
    write_npz(run.evaluation / "reconstructions.npz", **named, **rest)
    how = {"device": "a machine", "threads": 1, "seconds": 90.0, "start": "2026-01-02T03:04"}
    for place in (run.folder, run.evaluation):
        write_json(place / "record.json", how | {"versions": {"python": "3.11", "torch": "2"}})


def metrics(run, status):
    """metrics.parquet of one run."""
    low = -math.log10(run.beta) + 1
    rate = 8 + 6 * low + 0.3 * run.seed
    distortion = 90 + 4 * (3 - low) ** 2 + 0.5 * run.seed
    values = {name: np.array([1.0, 2.0]) for name in METRICS}
    values |= {"rate": [rate, rate - 0.5], "distortion": [distortion, distortion + 12]}
    values |= {"log_likelihood_5": [-100.0, -110.0]}
    for name, parts in METRICS.items():
        if parts == ("train",):
            values[name] = [1.0, math.nan]
        elif parts == ("test",):
            values[name] = [math.nan, 0.5]
    values |= {"mutual_information": [4.0, math.nan], "marginal_kl": [rate - 4, math.nan]}
    if status == "diverged":
        values = {name: [math.nan, math.nan] for name in values}
    axes = {"beta": run.beta, "seed": run.seed, "part": ["train", "test"], "n": [128, 384]}
    return pd.DataFrame(axes | {"status": status} | values)


def write_tables(results, plan, name, folder):
    folder.mkdir(parents=True)
    node = plan.tables[name]
    runs = [
        results.run(run["split"], run["arch"], beta=run["beta"], seed=run["seed"])
        for run in node.settings["runs"]
    ]
    rd = tables.rd_table(
        node.settings["runs"], [one.evaluation / "metrics.parquet" for one in runs]
    )
    rd = rd.assign(made_with="a machine", learned=True)
    neighbours = {"split": "sparse", "share": [0.0, 1.0], "distance": [1.0, 2.0]}
    for table, frame in (
        ("rd", rd),
        ("rd_summary", tables.summarise(rd)),
        ("neighbours", pd.DataFrame(neighbours)),
    ):
        write_parquet(folder / f"{table}.parquet", frame)
    first = [one for one in runs if one.seed == 0]
    axes = [run for run in node.settings["runs"] if run["seed"] == 0]
    paths = [one.evaluation / "reconstructions.npz" for one in first]
    write_npz(folder / "reconstructions.npz", **tables.first_reconstructions(axes, paths))


def draw(plan, results):
    """A picture for each figure whose tables are there, and the verdicts of claims."""
    for node in plan.figures.values():
        inputs = [results.parent / path for path in plan.figure_inputs(node).values()]
        if node.stage == "figures" and all(
            path.exists() for path in inputs if "tables" in str(path)
        ):
            place = results / f"figures/{node.address}"
            place.parent.mkdir(exist_ok=True)
            Image.new("RGB", (140, 60), "white").save(place.with_name(f"{place.name}.png"))
            if claims := node.settings.get("claims"):
                read = {
                    name: {
                        "runs": read_parquet(results.parent / table.file("rd.parquet")),
                        "neighbours": read_parquet(
                            results.parent / table.file("neighbours.parquet")
                        ),
                    }
                    for name, table in node.reads.items()
                }
                write_csv(place.with_name(f"{place.name}.csv"), judge(read, claims))


def data_of(page):
    """The data of the explorer in a page."""
    start = page.index('id="data">') + len('id="data">')
    return json.loads(page[start : page.index("</script>", start)])
