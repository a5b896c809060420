"""Time and memory of one full evaluation of one run: 81,920 train and 81,920 test images.

Random images and random parameters, so that nothing needs to be trained first:

    python benchmarks/evaluation.py --json evaluation.json
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from rdpipe import evaluation, models
from rdpipe.files import write_json
from rdpipe.images import bernoulli_entropy

SETTINGS = {"examples": 8, "outer": 4096, "batch": 512, "seed": 0}


def random_split(n: int) -> evaluation.Split:
    """Train and test of `n` images of noise, mostly black as Tetrominoes are."""
    random = np.random.default_rng(0)
    parts = []
    for _ in range(2):
        images = random.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        images[:, 8:] = 0
        parts.append(evaluation.Part(images, bernoulli_entropy(images)))
    return evaluation.Split(*parts, random.integers(0, n, n), random.random(n))


def write_random_run(folder: Path, layers: int) -> dict[str, Path]:
    """A run as a training leaves it, with its initial parameters."""
    arch = {"kind": "mlp", "layers": layers, "width": 512, "latent": 10}
    parameters = models.initial_parameters(arch, (32, 32, 3), [0])
    paths = {"run": folder / "run.json", "model": folder / "model.safetensors"}
    save_file({name: tensor[0].contiguous() for name, tensor in parameters.items()}, paths["model"])
    write_json(paths["run"], {"status": "finished"})
    return paths


def main() -> None:
    """Print one line an architecture; write them all to --json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=81_920, help="images in each part")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split, rows = random_split(options.n), []
    print("arch     seconds  of which I and marginal KL  peak memory so far [GB]")
    for layers in (1, 3):
        with tempfile.TemporaryDirectory() as name:
            paths = write_random_run(Path(name), layers)
            start = time.perf_counter()
            evaluation.write_evaluation(Path(name), split, **paths, **SETTINGS)
            seconds = time.perf_counter() - start
        posteriors = torch.randn(2, options.n, 10, dtype=torch.float64)
        start = time.perf_counter()
        evaluation.measure_rate_terms(*posteriors, np.random.default_rng(0), 4096, 512)
        terms = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        rows.append({"arch": f"mlp-{layers}", "n": options.n, "threads": options.threads,
                     "seconds": seconds, "rate_terms_seconds": terms, "peak_gb": peak})  # fmt: skip
        print(f"mlp-{layers} {seconds:11.1f} {terms:26.1f} {peak:24.2f}")
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
