"""Training throughput: this engine, a plain PyTorch loop, pythae, torch.func.vmap, and the bound.

    python benchmarks/train_throughput.py [--device cuda] [--archs mlp-1] [--json FILE]

Needs torch, numpy and safetensors; pythae takes part if it is installed. The contenders take turns.
A ratio is the median over the ratios within each turn, so that other work on the machine slows all
contenders alike. On a CPU each contender has a separate process, and all the same settings.
"""

import argparse
import math
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from _common import machine, parser, save
from _contenders import (
    BATCH,
    METHODS,
    Advance,
    Task,
    numbers_added,
    product_size,
)

from rdpipe.vae import costs
from rdpipe.vae.networks import Dense, Network

PRECISIONS = {"cpu": ["float32", "bfloat16"], "cuda": ["float32", "tf32"]}
# A GPU is often lent for minutes.
ARCHS = {"cpu": ["mlp-1", "mlp-3", "cnn-1", "cnn-3"], "cuda": ["mlp-1", "mlp-3", "cnn-1"]}
RUNS = {"cpu": [1, 12], "cuda": [1, 12, 60]}
ROUNDS = {"cpu": 7, "cuda": 3}
MACHINE = ("products", "sums")  # bounds that every row is held against
BOUNDS = (*MACHINE, "own products", "own Adam", "own loss")
# Freed memory stays with the process, whatever it did before: see `_contenders.plain`.
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}

Speeds = Mapping[Task, np.ndarray]
"""Steps a second of each contender in each round."""
ModelSpeeds = Mapping[tuple[str, int, str], np.ndarray]
"""Model-steps a second in each round, by method, runs and precision."""


def gflop(network: Network) -> float:
    """GFLOP of the matrix products of one model-step.

    Forward, gradient of the weights, gradient of the inputs; the images need no gradient.
    """
    first = next(network.layers())
    return 2 * BATCH * (3 * costs.products(network) - costs.layer_products(first)) / 1e9


def gigabytes(network: Network, bytes_each: int) -> float:
    """GB that one model-step moves between memory and processor, at the least.

    Of each parameter: itself, read forward, backward (but in the first layer: images need no
    gradient) and by Adam, which writes it; its gradient, written and read; and both moments, read
    and written. What layers hand on is left out: caches may hold it.
    """
    first = next(network.layers())
    once = math.prod(first.weight) + math.prod(first.bias)
    return bytes_each * (10 * costs.parameters(network) - once) / 1e9


def seconds_of(advance: Advance, steps: int, device: torch.device) -> float:
    """How long so many steps take."""
    start = time.perf_counter()
    advance(steps)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def steps_in(advance: Advance, seconds: float, device: torch.device) -> int:
    """How many steps take about so long; at least 1."""
    steps = 1
    while (taken := seconds_of(advance, steps, device)) < seconds / 4:
        steps *= 2
    return max(1, round(steps * seconds / taken))


def speeds(task: Task, seconds: float) -> Iterator[float]:
    """Prepare a contender, which gives 0; then its steps a second, once a turn."""
    advance = METHODS[task.method](task)
    advance(3)
    steps = steps_in(advance, seconds, task.device)
    yield 0.0
    while True:
        yield steps / seconds_of(advance, steps, task.device)


def contend(turns: Connection, task: Task, threads: int, seconds: float) -> None:
    """The process of one contender: answers each message with what comes next of `speeds`.

    If it fails, it answers with a text and ends.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # as the engine does: its advantage is not what is compared
    told = speeds(task, seconds)
    try:
        while turns.recv():
            turns.send(next(told))
    except EOFError:  # the turns are over
        pass
    except Exception as error:
        turns.send(told_of(error))


def told_of(error: Exception) -> str:
    """The first line of an error."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def in_process(task: Task, options: argparse.Namespace) -> Callable[[], float | str]:
    """A contender in a process of its own, for its allocator's sake."""
    context = multiprocessing.get_context("spawn")
    turns, end = context.Pipe()
    arguments = (end, task, options.threads, options.seconds)
    context.Process(target=contend, args=arguments, daemon=True).start()
    end.close()  # so that it is known here if the process dies

    def ask() -> float | str:
        try:
            turns.send(True)
            answer: float | str = turns.recv()
        except (EOFError, OSError):
            return "its process was killed"
        return answer

    return ask


def in_place(task: Task, options: argparse.Namespace) -> Callable[[], float | str]:
    """A contender in this process: on a GPU, a process takes longer to start than to measure."""
    told = speeds(task, options.seconds)

    def ask() -> float | str:
        try:
            return next(told)
        except Exception as error:
            return told_of(error)

    return ask


def take_turns(tasks: Sequence[Task], options: argparse.Namespace) -> Speeds:
    """Let the contenders take turns; those that fail are left out."""
    start = in_place if torch.device(options.device).type == "cuda" else in_process
    turns = {task: start(task, options) for task in tasks}

    def ask(task: Task) -> float | None:
        answer = turns[task]()
        if isinstance(answer, str):
            told = f"{task.arch} {task.method} {task.runs} {task.precision}: {answer}"
            if task.method in MACHINE:
                sys.exit(f"{told}; without it nothing can be compared: take fewer runs at a time.")
            print(told)
            del turns[task]
            return None
        return answer

    for task in tasks:
        ask(task)
    rounds = [{task: ask(task) for task in list(turns)} for _ in range(options.rounds)]
    return {task: np.array([speeds[task] for speeds in rounds]) for task in turns}


def contenders(arch: str, options: argparse.Namespace) -> list[Task]:
    """All that take turns on an architecture."""
    device = torch.device(options.device)
    precisions = dict.fromkeys(["float32", *options.precision])  # others have float32 alone

    def task(method: str, runs: int = 1, precision: str = "float32") -> Task:
        return Task(method, arch, runs, precision, device, options.width)

    parts = [
        *(task("own products", runs, p) for p in precisions for runs in options.runs),
        *(task(part, runs) for part in ("own Adam", "own loss") for runs in options.runs),
    ]
    dense = all(isinstance(layer, Dense) for layer in task("rdpipe").network.layers())
    chosen = [
        *(task("products", precision=precision) for precision in precisions),
        *(task("sums", runs) for runs in dict.fromkeys([1, *options.runs])),
        *(parts if dense else []),
        task("plain loop"),
        *([task("pythae")] if find_spec("pythae") else []),
        *(task("vmap", runs) for runs in options.runs if runs > 1),
        *(task("rdpipe", runs, p) for p in options.precision for runs in options.runs),
    ]
    if not options.only:
        return chosen
    return [task for task in chosen if task.method in (*MACHINE, *options.only)]


def rows(speeds: Speeds) -> list[dict[str, Any]]:
    """One row a contender; ratios are medians of quotients within a round."""
    of = {(t.method, t.runs, t.precision): t.runs * values for t, values in speeds.items()}
    return [row(task, of) for task in speeds if task.method not in BOUNDS]


def parts_alone(task: Task, of: ModelSpeeds) -> np.ndarray | None:
    """Model-steps a second, were a step its own products, Adam and loss, and nothing else."""
    own = [
        ("own products", task.runs, task.precision),
        *((part, task.runs, "float32") for part in ("own Adam", "own loss")),
    ]
    seconds = [1 / of[part] for part in own if part in of]
    return 1 / np.sum(seconds, axis=0) if len(seconds) == len(own) else None


def row(task: Task, of: ModelSpeeds) -> dict[str, Any]:
    """What is reported of one contender, from the model-steps a second of all in each round."""
    kind, network, runs = task.device.type, task.network, task.runs
    mine = of[task.method, runs, task.precision]
    peak = of["products", 1, task.precision] * 2 * product_size(task) ** 3 / 1e9  # GFLOP/s
    each = 3 * 4 * numbers_added(task) / 1e9  # GB of a sum: two numbers read, one written
    bandwidth = of["sums", runs, "float32"] / runs * each  # GB/s
    moved = gigabytes(network, task.dtype.itemsize)
    bounds = {"products": peak / gflop(network), "traffic": bandwidth / moved}
    bound = min(bounds, key=lambda name: np.median(bounds[name]))
    parts = parts_alone(task, of)

    def ratio(other: np.ndarray | None) -> float | None:
        return None if other is None else float(np.median(mine / other))

    return {
        "arch": task.arch, "method": task.method, "runs": runs, "precision": task.precision,
        "device": kind, "model_steps_per_second": float(np.median(mine)),
        "ratio_to_plain": ratio(of.get(("plain loop", 1, "float32"))),
        "ratio_to_pythae": ratio(of.get(("pythae", 1, "float32"))),
        "ratio_to_vmap": ratio(of.get(("vmap", runs, "float32"))),
        "share_of_peak": ratio(bounds["products"]), "share_of_bound": ratio(bounds[bound]),
        "bound": bound, "share_of_parts": ratio(parts),
        "parts_model_steps_per_second": None if parts is None else float(np.median(parts)),
        "peak_gflop_per_second": float(np.median(peak)), "gflop_of_model_step": gflop(network),
        "gigabytes_per_second": float(np.median(bandwidth)), "gigabytes_of_model_step": moved,
        "model_steps_per_second_of_rounds": mine.tolist(),
    }  # fmt: skip


COLUMNS = {
    "arch": ("arch", "{:6}"), "method": ("method", "{:10}"), "runs": ("R", "{:>3}"),
    "precision": ("precision", "{:9}"), "model_steps_per_second": ("model-steps/s", "{:>13.1f}"),
    "ratio_to_plain": ("/ plain", "{:>7.2f}"), "ratio_to_pythae": ("/ pythae", "{:>8.2f}"),
    "ratio_to_vmap": ("/ vmap", "{:>6.2f}"), "share_of_peak": ("of peak", "{:>7.0%}"),
    "share_of_bound": ("of bound", "{:>8.0%}"), "bound": ("bound by", "{:8}"),
    "share_of_parts": ("of parts", "{:>8.0%}"),
}  # fmt: skip
"""Heading and format of what the table shows of a row."""


def line(row: Mapping[str, Any] | None = None) -> str:
    """A line of the table; its heading without a row."""
    cells = []
    for key, (heading, layout) in COLUMNS.items():
        blank = re.sub(r"\.\d.", "", layout)  # the same width for text
        value = heading if row is None else row[key]
        cells.append(blank.format("-") if value is None else
                     (blank if isinstance(value, str) else layout).format(value))  # fmt: skip
    return "  ".join(cells)


def parse() -> argparse.Namespace:
    """The command line; what depends on the device has its defaults."""
    command_line = parser(__doc__)
    command_line.add_argument("--device", default="cpu", help="cpu or cuda")
    command_line.add_argument("--archs", nargs="+", help=f"else {ARCHS}")
    command_line.add_argument("--runs", type=int, nargs="+", help=f"runs of a pack, else {RUNS}")
    command_line.add_argument("--precision", nargs="+", help=f"of the engine, else {PRECISIONS}")
    command_line.add_argument("--only", nargs="+", help="contenders, of which all are in memory")
    command_line.add_argument("--width", type=int, default=512, help="of layers, as in the paper")
    command_line.add_argument("--threads", type=int, default=torch.get_num_threads())
    command_line.add_argument("--rounds", type=int, help=f"else {ROUNDS}")
    command_line.add_argument(
        "--seconds", type=float, default=0.4, help="of a contender in a round"
    )
    options = command_line.parse_args()
    kind = torch.device(options.device).type
    options.archs = options.archs or ARCHS[kind]
    options.runs = options.runs or RUNS[kind]
    options.rounds = options.rounds or ROUNDS[kind]
    options.precision = options.precision or PRECISIONS[kind]
    return options


def main() -> None:
    """Measure, print a table and, if asked, write JSON."""
    options = parse()
    os.environ.update(ALLOCATOR)  # for the processes of the contenders
    torch.set_num_threads(options.threads)
    told = machine()
    print(f"{told['gpu' if options.device != 'cpu' else 'processor']}, torch {torch.__version__}, "
          f"{options.threads} threads")  # fmt: skip
    if not find_spec("pythae"):
        print("pythae is not installed, so it takes no part: pip install '.[bench]'")
    print(line(), flush=True)
    measured = []
    for arch in options.archs:
        for measured_row in rows(take_turns(contenders(arch, options), options)):
            measured.append(measured_row)
            print(line(measured_row), flush=True)
        save(options.json, measured)  # after each: what is cut short keeps what it has


if __name__ == "__main__":
    main()
