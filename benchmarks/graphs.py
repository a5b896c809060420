"""CUDA graphs on and off, and the GPU memory that a pack takes against the memory that is counted.

    python benchmarks/graphs.py --device cuda [--archs mlp-1] [--runs 1 12 60] [--json FILE]

Needs torch, numpy and safetensors. Each row is a new engine of R runs. It takes its steps as
graphs, or launches them one by one. The last row of an architecture trains as many runs as a job
would train at once on this GPU: they must fit. On a CPU there are no graphs and no such memory, and
the column `skipped` says so.
"""

import argparse
import gc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from _common import Row, machine, parser, save, show
from _contenders import BATCH, Task, architecture, new_engine, random_images
from torch import Tensor
from train_throughput import seconds_of, steps_in

from rdpipe.training.capacity import capacity
from rdpipe.training.engine import tuned_process
from rdpipe.vae import costs

COMPARED = 64  # first steps, whose D and R are compared: two graphs of 32 steps each
COLUMNS = {
    "arch": "{}", "runs": "{}", "precision": "{}", "graphs": "{}", "captured": "{}",
    "model_steps_per_second": "{:.1f}", "largest_difference": "{:.1e}",
    "allocated_gb": "{:.3f}", "reserved_gb": "{:.3f}", "counted_gb": "{:.3f}",
    "allocated_of_counted": "{:.2f}", "skipped": "{}", "failed": "{}",
}  # fmt: skip


def counted_gb(task: Task) -> float:
    """GB that `capacity` counts for these runs and their images."""
    numbers = task.runs * costs.numbers(task.network, BATCH)
    return (numbers * task.dtype.itemsize + random_images().nbytes) / 1e9


def train(task: Task, graphs: bool, seconds: float) -> tuple[dict[str, Any], Tensor]:
    """Speed of a new engine, whether it captured its steps, and D and R of the first of them."""
    engine = new_engine(task)
    engine.capturable = graphs
    taken = COMPARED

    def advance(steps: int) -> None:
        nonlocal taken
        engine.advance(taken, steps)
        taken += steps

    with tuned_process(task.precision):
        values = engine.advance(0, COMPARED).cpu()  # (steps, 3, R)
        steps = steps_in(advance, seconds, task.device)
        speed = task.runs * steps / seconds_of(advance, steps, task.device)
    return {"model_steps_per_second": speed, "captured": engine.capturable}, values


def memory(counted: float) -> dict[str, float]:
    """GB of the GPU that this process took at most, in the terms of PyTorch and of the driver."""
    free, total = torch.cuda.mem_get_info()
    allocated = torch.cuda.max_memory_allocated() / 1e9
    return {
        "allocated_gb": allocated,
        "reserved_gb": torch.cuda.max_memory_reserved() / 1e9,
        "used_gb_of_device": (total - free) / 1e9,  # by all processes, and now
        "total_gb_of_device": total / 1e9,
        "allocated_of_counted": allocated / counted,
    }


def measure(task: Task, graphs: bool, seconds: float) -> tuple[dict[str, Any], Tensor | None]:
    """A row, and D and R of its first steps, or None if there are none."""
    gpu = task.device.type == "cuda"
    row: dict[str, Any] = {
        "arch": task.arch, "runs": task.runs, "precision": task.precision,
        "device": task.device.type, "graphs": graphs, "counted_gb": counted_gb(task),
    }  # fmt: skip
    if graphs and not gpu:
        return row | {"skipped": "CUDA graphs, which a CPU does not have"}, None
    if gpu:
        gc.collect()  # the engine of the row before
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        measured, values = train(task, graphs, seconds)
    except torch.OutOfMemoryError as error:
        return row | {"failed": f"out of memory: {error}".splitlines()[0]}, None
    row |= measured
    if graphs and not row["captured"]:
        row["failed"] = "the steps were not captured: the log says why"
    told = (
        memory(row["counted_gb"]) if gpu else {"skipped": "memory, which is measured on GPUs only"}
    )
    return row | told, values


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """For each architecture and number of runs one row without graphs and one with graphs."""
    device = torch.device(options.device)
    for arch in options.archs:
        for runs in options.runs:
            task = Task("rdpipe", arch, runs, options.precision, device, options.width)
            plain, expected = measure(task, False, options.seconds)
            yield plain
            row, values = measure(task, True, options.seconds)
            if values is not None and expected is not None:
                row["largest_difference"] = float((values - expected).abs().max())  # nats
            yield row
        yield fullest(Task("rdpipe", arch, 1, options.precision, device, options.width), options)


def fullest(task: Task, options: argparse.Namespace) -> Row:
    """The row of as many runs as a job would train at once."""
    if task.device.type == "cpu":
        why = "the fullest pack, as a CPU takes any number of runs"
        return {"arch": task.arch, "device": "cpu", "as_many_as_fit": True, "skipped": why}
    gc.collect()
    torch.cuda.empty_cache()
    arch = architecture(task.arch, task.width)
    runs = capacity(random_images(), arch=arch, batch_size=BATCH, precision=task.precision)
    weights = 4 * runs * costs.parameters(task.network) / 1e9  # GB, drawn on the CPU
    if weights > machine()["memory_gb"] / 4:
        why = f"{runs} runs, whose {weights:.0f} GB of weights are too many for this machine"
        return {"arch": task.arch, "device": "cuda", "as_many_as_fit": True, "skipped": why}
    row, _ = measure(replace(task, runs=runs), True, options.seconds)
    return row | {"as_many_as_fit": True}


def main() -> None:
    """Print one line a row; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--device", default="cuda", help="cpu or cuda")
    options.add_argument("--archs", nargs="+", default=["mlp-1", "mlp-3", "cnn-1", "cnn-3"])
    options.add_argument("--runs", type=int, nargs="+", default=[1, 12, 60])
    options.add_argument("--precision", default="float32")
    options.add_argument("--width", type=int, default=512, help="of layers, as in the paper")
    options.add_argument("--seconds", type=float, default=0.5, help="of a row's timing")
    given = options.parse_args()
    kept: list[Row] = []

    def saved() -> Iterator[Row]:
        for row in rows(given):
            kept.append(row)
            save(given.json, kept)  # after each: the last row may take too much memory
            yield row

    show("CUDA graphs and memory", saved(), COLUMNS)


if __name__ == "__main__":
    main()
