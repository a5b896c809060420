"""Time of log p(x) in this checkout and at an earlier commit, in one process.

    python benchmarks/log_likelihood.py --against b81ea62 --json log_likelihood.json

The two take turns on the same images, parameters and random numbers. Seconds are processor time of
one thread, and their median over the turns. `speed` is the median over the ratios within each turn,
so that other work on the machine slows both alike. `difference` is the largest relative difference
of the estimates. The commit needs `rdpipe.evaluation.likelihood.measure`. The last cases are whole
evaluations of one run on the dense split of the demo or the tour.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from _common import ROOT, Row, T, apart, parser, save, show
from evaluation import random_split, write_random_run

from rdpipe.common.files import read_parquet

SHAPE = (32, 32, 3)
MLP, CNN = {"kind": "mlp", "latent": 10}, {"kind": "cnn", "dense": 0, "latent": 10}
CASES = {
    "demo mlp-1": (MLP | {"layers": 1, "width": 128}, 100, 100),
    "demo cnn-1": (CNN | {"layers": 1, "channels": 8}, 100, 100),
    "mlp-1": (MLP | {"layers": 1, "width": 512}, 64, 1000),
    "mlp-3": (MLP | {"layers": 3, "width": 512}, 16, 1000),
    "cnn-1": (CNN | {"layers": 1, "channels": 64}, 4, 1000),
}
"""Name -> architecture, images, samples of each image."""
WHOLE = {
    "demo's evaluation, mlp-1": ("demo", MLP | {"layers": 1, "width": 64}, 2048),
    "demo's evaluation, mlp-2": ("demo", MLP | {"layers": 2, "width": 64}, 2048),
    "tour's evaluation, mlp-1": ("tour", MLP | {"layers": 1, "width": 128}, 4096),
    "tour's evaluation, cnn-1": ("tour", CNN | {"layers": 1, "channels": 8}, 4096),
}
"""Name -> study, architecture, images of each part."""

HOW = ("pack", "threads")  # settings of the evaluation that are none of its function

Measure = Callable[[], tuple[float, dict[str, float]]]
"""Gives processor time and what was estimated."""


def library(src: Path, *modules: str) -> list[Any]:
    """Modules of the library in a folder, in place of those that were imported before."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "rdpipe"]:
        del sys.modules[name]
    sys.path.insert(0, str(src))  # and it stays there: the library imports some modules late
    return [import_module(f"rdpipe.{name}") for name in modules]


def timed(step: Callable[[], T]) -> tuple[float, T]:
    """Processor time of a step, and its result."""
    start = time.process_time()
    result = step()
    return time.process_time() - start, result


def measure(src: Path, case: str) -> Measure:
    """Make a call that estimates log p(x) of random images with the library in a folder."""
    likelihood, networks, models = library(
        src, "evaluation.likelihood", "vae.networks", "vae.models"
    )
    arch, images, samples = CASES[case]
    vae = models.VAE.initial(networks.build(arch, SHAPE), [0])
    vae.parameters["output.weight"].mul_(10)  # logits as spread as those of a trained decoder
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (images, *SHAPE), dtype=np.uint8)
    pixels[:, 8:] = 0
    x = models.intensities(torch.from_numpy(pixels).flatten(1), torch.float32)
    mean = torch.from_numpy(random.standard_normal((images, arch["latent"])))
    posterior = mean, torch.full_like(mean, -3.0)
    return lambda: timed(
        lambda: likelihood.measure(vae, x, *posterior, np.random.default_rng(1), [samples])
    )


def evaluate(src: Path, case: str) -> tuple[float, dict[str, float]]:
    """Evaluate a run of random parameters with the library in a folder."""
    study, arch, images = WHOLE[case]
    texts = [(ROOT / name).read_text("utf-8") for name in ("config.yaml", f"config/{study}.yaml")]
    base, overlay = (yaml.safe_load(text)["evaluation"] for text in texts)
    settings = {key: value for key, value in (base | overlay).items() if key not in HOW}
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        split, run = random_split(images, images), write_random_run(folder, arch)
        (evaluation,) = library(src, "evaluation.evaluate")
        write = partial(evaluation.write_evaluation, folder, split, **run, **settings)
        seconds, _ = timed(write)
        test = read_parquet(folder / "metrics.parquet").set_index("part").loc["test"]
    return seconds, {name: test[name] for name in ("distortion", "rate", "log_likelihood_elbo")}


def step_of(src: Path, case: str) -> Measure:
    """The step of a case; that of a whole evaluation takes a process of its own each time."""
    if case in CASES:
        return measure(src, case)
    return lambda: apart(evaluate, src, case)


def rows(cases: list[str], before: Path, rounds: int) -> Iterator[Row]:
    """One row a case."""
    for case in cases:
        both = [step_of(src, case) for src in (before, ROOT / "src")]
        seconds, values = np.empty((rounds, 2)), [{}, {}]
        for turn in range(rounds):
            for i, step in enumerate(both):
                seconds[turn, i], values[i] = step()
        old, new = (np.array(list(each.values())) for each in values)
        _, *sizes = CASES.get(case, (None,))
        yield {
            "case": case, **dict(zip(("images", "samples"), sizes, strict=False)),
            "before": np.median(seconds[:, 0]).item(), "after": np.median(seconds[:, 1]).item(),
            "speed": np.median(seconds[:, 0] / seconds[:, 1]).item(),
            "difference": np.abs(new / old - 1).max().item(),
        }  # fmt: skip


@torch.inference_mode()
def main() -> None:
    """Print one line a case; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--against", required=True, help="the earlier commit")
    options.add_argument("--cases", nargs="+", choices=[*CASES, *WHOLE], default=[*CASES, *WHOLE])
    options.add_argument("--rounds", type=int, default=7)
    given = options.parse_args()
    torch.set_num_threads(1)
    call = ["git", "-C", str(ROOT), "archive", given.against, "src"]
    archive = subprocess.run(call, capture_output=True, check=True).stdout
    with (
        tempfile.TemporaryDirectory() as folder,
        tarfile.open(fileobj=io.BytesIO(archive)) as files,
    ):
        files.extractall(folder, filter="data")
        found = rows(given.cases, Path(folder) / "src", given.rounds)
        columns = dict.fromkeys(("before", "after", "speed"), "{:.2f}")
        columns = {"case": "{}", "images": "{}", "samples": "{}", **columns, "difference": "{:.1e}"}
        save(given.json, show("log p(x), seconds of one thread", found, columns))


if __name__ == "__main__":
    main()
