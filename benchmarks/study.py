"""Wall time of whole studies by their number of runs, images and cores, and where it goes.

    python benchmarks/study.py --runs 6 12 24 48 --images 1024 4096 16384 --cores 1 2 --json FILE

Each study has its own folder and an empty store, and is computed from dataset to figure: mlp-1
with few units, one split, one experiment, one figure. Runs grow by seeds. On one core the jobs come
one after the other, so the wall time has three shares:

    products    matrix products of the trainings: counted, at the speed that such products have here
    rdpipe      the rest of the jobs: Python, libraries, Adam, evaluation, tables, figures
    snakemake   the rest of the wall time: planning, scheduling, starting jobs
"""

import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from _common import ROOT, Row, parser, save, show, snakemake

from rdpipe.vae import costs, networks

BETAS = [0.001, 0.1, 1]
WIDTH, BATCH = 128, 64
PIXELS = (32, 32, 3)
ARCH = {"kind": "mlp", "layers": 1, "width": WIDTH, "latent": 10}
BINS = {"angle": 8, "hue": 4, "scale": 2, "x": 4, "y": 4}  # 1,024 images
SIZES = ("runs", "images", "iterations", "pack")
COLUMNS = {
    "grows": "{}", "runs": "{}", "images": "{:,}", "iterations": "{}", "pack": "{}", "cores": "{}",
    "jobs": "{}", "seconds": "{:.1f}", "snakemake": "{:.1f}", "rdpipe": "{:.1f}",
    "products": "{:.1f}",
}  # fmt: skip


def study(runs: int, images: int, iterations: int, pack: bool) -> dict[str, Any]:
    """The overlay of a study with so many runs of an architecture on so many images."""
    bins, axis = dict(BINS), "x"
    while (n := 8 * 4 * 2 * bins["x"] * bins["y"]) < images:
        bins[axis], axis = 2 * bins[axis], "y" if axis == "x" else "x"
    if n != images:
        raise SystemExit(
            f"{images} images are not 1,024 times a power of two; choose another number."
        )
    limits = {"angle": [0, 360], "hue": [0, 0.875], "scale": [2, 5], "x": [8, 23], "y": [8, 23]}
    packed = {"pack": ["beta", "seed"] if pack else [], "threads": 1}
    return {
        "datasets": {"some": {"kind": "tetrominoes", "bins": bins, "limits": limits}},
        "splits": {"half": {"dataset": "some", "kind": "cv", "n_train": images // 2}},
        "archs": {"mlp-1": ARCH},
        "betas": BETAS,
        "seeds": list(range(runs // len(BETAS))),
        "training": {"iterations": iterations, "batch_size": BATCH, **packed},
        "evaluation": {"outer": 512, "memorization_images": 256, "likelihood_images": 64,
                       "likelihood_samples": [50], **packed},
        "experiments": {"some": {"splits": ["half"], "archs": ["mlp-1"]}},
        "figures": {"some": {"draw": "fig3", "experiment": "some"}},
        "targets": ["some"],
    }  # fmt: skip


def product_speed(seconds: float = 2.0) -> float:
    """Multiply-adds a second of one thread in products of the training's own size."""
    x, w = torch.randn(BATCH, PIXELS[0] * PIXELS[1] * PIXELS[2]), torch.randn(WIDTH, 3072)
    done, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < seconds:
        for _ in range(20):
            x @ w.T
        done += 20
    return done * x.shape[0] * x.shape[1] * w.shape[0] / took


def job_seconds(folder: Path) -> tuple[int, float]:
    """Number of jobs and the sum of their durations, from Snakemake's records."""
    jobs = {}
    for path in (folder / ".snakemake/metadata").rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text("utf-8"))
            jobs[tuple(record["log"])] = record["endtime"] - record["starttime"]
    return len(jobs), sum(jobs.values())


def measure(axes: Mapping[str, Any], cores: int, speed: float) -> Row:
    """Compute one study from nothing."""
    overlay = study(**{name: axes[name] for name in SIZES})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(ROOT / "config.yaml", folder)
        (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay), "utf-8")
        cost, _ = snakemake(
            folder, "--cores", str(cores), "--configfile", str(folder / "overlay.yaml")
        )
        jobs, of_jobs = job_seconds(folder)
    network = networks.build(ARCH, PIXELS)
    # forward, and backward for the weights and for the layer's input
    multiplied = 3 * costs.products(network) * BATCH * axes["iterations"] * axes["runs"]
    row = {**axes, "cores": cores, "jobs": jobs, "seconds": cost["seconds"]}
    if cores == 1:
        products = multiplied / speed
        row |= {"products": products, "rdpipe": of_jobs - products}
        row |= {"snakemake": cost["seconds"] - of_jobs}
    return row


def rows(given: Any) -> Iterator[Row]:
    """Growth by runs in single jobs and in packs, by images, and by iterations, for each core."""
    speed = product_speed()
    print(f"one thread: {speed / 1e9:.1f} billion multiply-adds a second in products of this size")
    base = {"runs": given.runs[0], "images": given.images[0], "iterations": given.iterations[0]}
    series = [
        *(
            {"grows": "runs", **base, "runs": n, "pack": p}
            for p in (False, True)
            for n in given.runs
        ),
        *({"grows": "images", **base, "images": n, "pack": True} for n in given.images),
        *({"grows": "iterations", **base, "iterations": n, "pack": True} for n in given.iterations),
    ]
    measured: dict[tuple[Any, ...], Row] = {}  # the smallest study belongs to several series
    for axes, cores in itertools.product(series, given.cores):
        size = (*(axes[name] for name in SIZES), cores)
        if size not in measured:
            measured[size] = measure(axes, cores, speed)
        yield {**measured[size], **axes, "multiply_adds_per_second": speed}


def saved(rows: Iterator[Row], path: Path | None) -> Iterator[Row]:
    """The rows, all of which are written after each: a call may be cut off."""
    kept = []
    for row in rows:
        kept.append(row)
        save(path, kept)
        yield row


def main() -> None:
    """Print one line a study; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, nargs="+", default=[6, 12], help="multiples of 3")
    options.add_argument("--images", type=int, nargs="+", default=[1024])
    options.add_argument("--iterations", type=int, nargs="+", default=[200])
    options.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    given = options.parse_args()
    torch.set_num_threads(1)
    show("Whole studies, seconds", saved(rows(given), given.json), COLUMNS)


if __name__ == "__main__":
    main()
