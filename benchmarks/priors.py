"""What priors and likelihoods cost: the time of a training step beside that of the paper's.

One run each of a one-layer MLP with 512 units, 10 latent dimensions and batches of 128, as in the
paper. All train in one process by turns, so that a busy machine slows all of them alike. Ratios are
medians over turns, of wall time and of processor time. `counted` is the ratio of multiplications: a
VampPrior encodes K images more in every step. It leaves out Adam, whose work grows with the
parameters.
"""

import statistics
import time
from collections.abc import Iterator

import torch
from _common import Row, parser, save, show
from _contenders import BATCH, EXAMPLES, LEARNING_RATE, SHAPE, architecture, random_images

from rdpipe.training.engine import Engine, tuned_process
from rdpipe.training.objectives import Objective
from rdpipe.vae import costs, networks

CASES = {
    "standard": {},
    "mixture of 500": {"prior": {"kind": "mixture", "components": 500}},
    "vamp of 500": {"prior": {"kind": "vamp", "components": 500}},
    "flow of 6": {"prior": {"kind": "flow", "layers": 6, "width": 64}},
    "continuous Bernoulli": {"likelihood": "continuous_bernoulli"},
    "Gaussian": {"likelihood": "gaussian"},
}
COLUMNS = {
    "case": "{}", "ms": "{:.1f}", "cpu_ms": "{:.1f}", "ratio": "{:.2f}", "cpu_ratio": "{:.2f}",
    "counted": "{:.2f}", "parameters": "{:,}",
}  # fmt: skip


def engine(case: str, arch: str, device: torch.device) -> Engine:
    """One run before its first step."""
    network = networks.build(architecture(arch) | CASES[case], SHAPE)
    pixels = torch.from_numpy(random_images()).flatten(1).to(device)
    objective = Objective("rate", torch.ones(1, device=device), EXAMPLES)
    return Engine(network, objective, pixels, [0], BATCH, LEARNING_RATE)


def rows(arch: str, device: torch.device, steps: int, turns: int) -> Iterator[Row]:
    """One row a case."""
    engines = {case: engine(case, arch, device) for case in CASES}
    wall: dict[str, list[float]] = {case: [] for case in CASES}
    cpu: dict[str, list[float]] = {case: [] for case in CASES}
    with tuned_process("float32"):
        for turn in range(turns + 1):
            for case, one in engines.items():
                start = time.perf_counter(), time.process_time()
                one.advance(turn * steps, steps).cpu()
                if turn:  # the first is a warm-up
                    wall[case].append((time.perf_counter() - start[0]) / steps)
                    cpu[case].append((time.process_time() - start[1]) / steps)
    plain = costs.step_products(engines["standard"].vae.network, BATCH)
    for case, one in engines.items():
        network = one.vae.network
        ratios = [
            statistics.median(a / b for a, b in zip(own[case], own["standard"], strict=True))
            for own in (wall, cpu)
        ]
        yield {
            "case": case,
            "ms": 1e3 * statistics.median(wall[case]),
            "cpu_ms": 1e3 * statistics.median(cpu[case]),
            "ratio": ratios[0],
            "cpu_ratio": ratios[1],
            "counted": costs.step_products(network, BATCH) / plain,
            "parameters": costs.parameters(network),
        }


def main() -> None:
    """Print one line a case; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--arch", default="mlp-1", help="as in train_throughput.py")
    options.add_argument("--device", default="cpu")
    options.add_argument("--steps", type=int, default=20, help="steps of a turn")
    options.add_argument("--turns", type=int, default=15)
    chosen = options.parse_args()
    title = f"Steps of {chosen.arch}, one run, on a {chosen.device}"
    device = torch.device(chosen.device)
    save(chosen.json, show(title, rows(chosen.arch, device, chosen.steps, chosen.turns), COLUMNS))


if __name__ == "__main__":
    main()
