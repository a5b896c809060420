"""Time of log p(x) in this checkout and at an earlier commit, in one process.

    python benchmarks/log_likelihood.py --against b81ea62 --json log_likelihood.json

The two take turns on the same images, parameters and random numbers. Seconds are processor time of
one thread, and their median over the turns. `speed` is the median over the ratios within each turn,
so that other work on the machine slows both alike. `difference` is the largest relative difference
of the estimates. The commit needs `rdpipe.evaluation.likelihood.measure`.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from _common import ROOT, Row, parser, save, show

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

Measure = Callable[[], dict[str, float]]


def measure(src: Path, case: str) -> Measure:
    """Make a call that estimates log p(x) of random images with the library in a folder."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "rdpipe"]:
        del sys.modules[name]
    sys.path.insert(0, str(src))
    likelihood = import_module("rdpipe.evaluation.likelihood")
    networks, models = import_module("rdpipe.vae.networks"), import_module("rdpipe.vae.models")
    sys.path.pop(0)
    arch, images, samples = CASES[case]
    vae = models.VAE.initial(networks.build(arch, SHAPE), [0])
    vae.parameters["output.weight"].mul_(10)  # logits as spread as those of a trained decoder
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (images, *SHAPE), dtype=np.uint8)
    pixels[:, 8:] = 0
    x = models.intensities(torch.from_numpy(pixels).flatten(1), torch.float32)
    mean = torch.from_numpy(random.standard_normal((images, arch["latent"])))
    posterior = mean, torch.full_like(mean, -3.0)
    return lambda: likelihood.measure(vae, x, *posterior, np.random.default_rng(1), [samples])


def rows(cases: list[str], before: Path, rounds: int) -> Iterator[Row]:
    """One row a case."""
    for case in cases:
        both = [measure(src, case) for src in (before, ROOT / "src")]
        seconds, values = np.empty((rounds, 2)), [{}, {}]
        for turn in range(rounds):
            for i, step in enumerate(both):
                start = time.process_time()
                values[i] = step()
                seconds[turn, i] = time.process_time() - start
        old, new = (np.array(list(each.values())) for each in values)
        yield {
            "case": case, "images": CASES[case][1], "samples": CASES[case][2],
            "before": np.median(seconds[:, 0]).item(), "after": np.median(seconds[:, 1]).item(),
            "speed": np.median(seconds[:, 0] / seconds[:, 1]).item(),
            "difference": np.abs(new / old - 1).max().item(),
        }  # fmt: skip


@torch.inference_mode()
def main() -> None:
    """Print one line a case; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--against", required=True, help="the earlier commit")
    options.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
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
