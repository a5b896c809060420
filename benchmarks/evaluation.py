"""Time and memory of evaluating one run, by default on 81,920 training and 81,920 test images.

    python benchmarks/evaluation.py --archs mlp-1 cnn-3 --json evaluation.json

Images and parameters are random, so nothing needs to be trained first. log p(x) is timed alone,
with few samples. Its time is proportional to images × samples.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import Row, parser, save, show
from safetensors.torch import save_file

from rdpipe.common.entropy import bernoulli_entropy
from rdpipe.common.files import write_json
from rdpipe.evaluation import evaluate, likelihood, memorization, rate_distortion, rate_terms
from rdpipe.evaluation.examples import Part, Split
from rdpipe.vae import networks
from rdpipe.vae.models import VAE

SHAPE = (32, 32, 3)
MLP = {"kind": "mlp", "width": 512, "latent": 10}
CNN = {"kind": "cnn", "channels": 64, "dense": 0, "latent": 10}
ARCHS = {"mlp-1": MLP | {"layers": 1}, "mlp-3": MLP | {"layers": 3},
         "cnn-1": CNN | {"layers": 1}, "cnn-3": CNN | {"layers": 3}}  # fmt: skip
SETTINGS = {"examples": 8, "outer": 4096, "batch": 512, "seed": 0, "memorization_images": 2048}
TIMED = {
    "measure_rate_distortion": (rate_distortion, "measure"),
    "measure_rate_terms": (rate_terms, "measure"),
    "measure_optimal_decoder": (memorization, "measure_optimal_decoder"),
    "measure_memorization": (memorization, "measure"),
    "measure_likelihood": (likelihood, "measure"),
}
"""Steps of an evaluation, and the functions that take them."""


def random_split(n_train: int, n_test: int) -> Split:
    """Train and test images of noise, mostly black as Tetrominoes are."""
    random = np.random.default_rng(0)
    parts = []
    for n in (n_train, n_test):
        images = random.integers(0, 256, (n, *SHAPE), dtype=np.uint8)
        images[:, 8:] = 0
        parts.append(Part(images, bernoulli_entropy(images)))
    return Split(*parts, random.integers(0, n_train, n_test), random.random(n_test))


def write_random_run(folder: Path, arch: Mapping[str, Any]) -> dict[str, Path]:
    """A run as a training leaves it, with its initial parameters."""
    vae = VAE.initial(networks.build(arch, SHAPE), [0])
    paths = {"run": folder / "run.json", "model": folder / "model.safetensors"}
    save_file(vae.run(0), paths["model"])
    record = {"status": "finished", "arch": arch, "image_shape": SHAPE, "beta": 1.0, "seed": 0}
    write_json(paths["run"], record)
    return paths


def time_calls(module: Any, function: str, seconds: dict[str, float], step: str) -> None:
    """From now on add the time of every call of a module's function to `seconds[step]`."""
    inner: Callable[..., Any] = getattr(module, function)

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        value = inner(*args, **kwargs)
        seconds[step] += time.perf_counter() - start
        return value

    setattr(module, function, timed)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """One row an architecture: seconds of each step and of all but log p(x), peak memory so far."""
    asked = {name: value for name, value in vars(options).items() if name not in ("archs", "json")}
    drawn = {"likelihood_images": options.images, "likelihood_samples": [options.samples]}
    split = random_split(options.train, options.test)
    seconds: dict[str, float] = {}
    for step, (module, function) in TIMED.items():
        time_calls(module, function, seconds, step)
    for name in options.archs:
        seconds.update(dict.fromkeys(TIMED, 0.0))
        with tempfile.TemporaryDirectory() as folder:
            paths = write_random_run(Path(folder), ARCHS[name])
            start = time.perf_counter()
            evaluate.write_evaluation(Path(folder), split, **paths, **SETTINGS, **drawn)
            total = time.perf_counter() - start - seconds["measure_likelihood"]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        yield {"arch": name, **asked, **seconds, "seconds": total, "peak_gb": peak}


def main() -> None:
    """Print one line an architecture; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--train", type=int, default=81_920, help="training images")
    options.add_argument("--test", type=int, default=81_920, help="test images")
    options.add_argument("--archs", nargs="+", choices=ARCHS, default=list(ARCHS))
    options.add_argument("--images", type=int, default=32, help="images of each part for log p(x)")
    options.add_argument("--samples", type=int, default=500, help="samples of each for log p(x)")
    options.add_argument("--threads", type=int, default=2)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    columns = dict.fromkeys(TIMED, "{:.1f}")
    columns = {"arch": "{}", **columns, "seconds": "{:.1f}", "peak_gb": "{:.2f}"}
    save(given.json, show("Evaluation; seconds are without log p(x)", rows(given), columns))


if __name__ == "__main__":
    main()
