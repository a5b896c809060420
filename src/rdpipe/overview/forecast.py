"""What a call of snakemake would do, and what that costs: jobs, time, disk, memory."""

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpipe.overview import times
from rdpipe.overview.results import Job, Results, ends, measure_of
from rdpipe.overview.times import NOTHING, Data, Interval, Machine, Measured, Work
from rdpipe.store.provenance import processor
from rdpipe.study.plan import Node
from rdpipe.study.resources import OWN, SHAPE, needs
from rdpipe.study.settings.splits import CD, CV
from rdpipe.study.settings.study import STAGES
from rdpipe.vae import costs

START, TORCH_START = Interval(0.2, 4), Interval(1.5, 12)  # s of a job besides its results
TORCH = ("training", "evaluation", "diagnostics")  # whose jobs import PyTorch
ON_GPU = ("neighbours", *TORCH)
THREADS = {"datasets": 2, "neighbours": 2}  # of the rules; those of runs are settings
CALL, SCHEDULED = Interval(3, 15), Interval(0.002, 0.1)  # s of Snakemake, and for each job
BASES = {
    "same": "from records of the same kind of job",
    "like": "from records of like jobs",
    "counted": "counted",
}


@dataclass(frozen=True)
class Cost:
    """One job and what it takes: seconds, and bytes of what it stores.

    Attributes
    ----------
    basis
        What the seconds are estimated from: `store`, or a key of BASES.
    device
        Whose records they are estimated from: `the CPU`, or the name of a GPU.
    """

    job: Job
    seconds: Interval
    bytes: Interval
    basis: str
    device: str = ""

    @property
    def source(self) -> str:
        """What the seconds are estimated from, in words; the empty string for the store."""
        of_device = f" on {self.device}" if self.basis in ("same", "like") else ""
        return f"{BASES[self.basis]}{of_device}" if self.basis in BASES else ""


@dataclass(frozen=True)
class Forecast:
    """What a call would do.

    Attributes
    ----------
    costs
        Its jobs, in the order of the stages.
    wall
        Seconds from start to end on the machine.
    memory
        Bytes that the largest job of each stage may take: a limit, no forecast.
    """

    costs: tuple[Cost, ...]
    wall: Interval
    memory: Mapping[str, float]

    def of_stage(self, stage: str) -> list[Cost]:
        """The jobs of a stage."""
        return [cost for cost in self.costs if cost.job.node.stage == stage]

    def sources(self) -> dict[str, list[str]]:
        """The stages whose times are mostly estimated from the same source, by its words."""
        found: dict[str, list[str]] = {}
        for stage in STAGES:
            if common := Counter(cost.source for cost in self.of_stage(stage)).most_common(1):
                found.setdefault(common[0][0], []).append(stage)
        return {source: stages for source, stages in found.items() if source}


def total(intervals: Iterable[Interval]) -> Interval:
    """The sum of intervals."""
    return sum(intervals, NOTHING)


def this_machine(cores: int | None, gpus: int | None) -> Machine:
    """The machine of this process, with other numbers of cores and GPUs if they are given."""
    models = _gpus()
    gpus = len(models) if gpus is None else gpus
    device = (models or [""])[0] if gpus else processor()
    return Machine(cores or len(os.sched_getaffinity(0)), gpus, device)


def _gpus() -> list[str]:
    """The model of each NVIDIA GPU of this machine that jobs may use, without loading CUDA."""
    models = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        with suppress(OSError):
            models += re.findall(r"^Model:\s*(.+?)\s*$", path.read_text("utf-8"), re.M)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return models if visible is None else models[: len([v for v in visible.split(",") if v])]


def forecast(results: Results, targets: Iterable[str], machine: Machine) -> Forecast:
    """What a call of snakemake with these targets would do on a machine."""
    jobs = results.jobs(targets)
    return cost_of(results, jobs, machine)


def cost_of(results: Results, jobs: list[Job], machine: Machine) -> Forecast:
    """What some jobs take on a machine."""
    computing = any(job.stored < len(job.runs) for job in jobs)
    measured = Measured(results.store) if computing else None
    device = machine.device
    if machine.gpus and not device and measured and measured.gpus:
        device = measured.gpus[-1]
    known: dict[tuple[Any, ...], tuple[Interval, str, Interval]] = {}
    costs_ = []
    for job in jobs:
        here = processor() if job.node.stage not in ON_GPU else device
        costs_.append(_cost(results, job, machine, here, measured, known))
    memory = {stage: need.memory for stage, need in needs(results.plan.study).items()}
    return Forecast(tuple(costs_), wall(costs_, machine, results), memory)


def _cost(
    results: Results,
    job: Job,
    machine: Machine,
    device: str,
    measured: Measured | None,
    known: dict[tuple[Any, ...], tuple[Interval, str, Interval]],
) -> Cost:
    new = len(job.runs) - job.stored
    if new == 0 or measured is None:
        return Cost(job, START, NOTHING, "store")
    # the checkpoints of a training lie on its way
    number = min(new, len(ends(job.runs))) if job.node.stage == "training" else new
    alike = (job.node.stage, job.node.name, len(job.runs))
    if alike not in known:
        estimate = measured.estimate(_work(results, job, machine), device)
        known[alike] = (*estimate, _bytes(results, job.node))
    seconds, basis, size = known[alike]
    start = TORCH_START if job.node.stage in TORCH else START
    where = "the CPU" if device == processor() else device
    return Cost(job, start + seconds.times(number), size.times(new), basis, where)


def _work(results: Results, job: Job, machine: Machine) -> Work:
    """The work of one result of a job."""
    study, node = results.plan.study, job.node
    gpu = machine.gpus > 0
    threads = machine.threads(_threads(results, node.stage))
    match node.stage:
        case "datasets":
            return times.of_dataset(study.datasets[node.name].facts.n or OWN)
        case "splits":
            return times.of_split(_data(results, node.name))
        case "neighbours":
            return times.of_neighbours(_data(results, node.name), threads, gpu)
        case "training":
            shape = _data(results, _split(node)).shape
            return times.of_training(node.settings, shape, threads, len(job.runs), gpu)
        case "evaluation":
            arch = node.reads["training"].settings["arch"]
            return times.of_evaluation(
                node.settings, arch, _data(results, _split(node)), threads, gpu
            )
        case "diagnostics":
            arch = node.reads["training"].settings["arch"]
            data = _data(results, _split(node))
            return times.of_diagnostic(measure_of(node), node.settings, arch, data, threads, gpu)
        case "tables":
            return times.of_table(len(node.settings["runs"]))
        case _:
            return times.of_figure(node.modules[0])


def _threads(results: Results, stage: str) -> int:
    if stage in TORCH:
        return int(getattr(results.plan.study, stage).threads)
    return THREADS.get(stage, 1)


def _split(node: Node) -> str:
    return node.reads["split"].name


def _data(results: Results, name: str) -> Data:
    """The sizes of a split, as far as the config says them."""
    split = results.plan.study.splits[name]
    facts = results.plan.study.datasets[split.dataset].facts
    n, shape = facts.n or OWN, facts.shape or SHAPE
    if isinstance(split, CV):
        return Data(split.n_train, max(n - split.n_train, 0), shape)
    if isinstance(split, CD):
        n = math.ceil(n * split.ratio)
    return Data(n // 2, n - n // 2, shape)


def _bytes(results: Results, node: Node) -> Interval:
    """Bytes that one result of a node takes in the store; images are compressed."""
    if node.stage in ("datasets", "splits"):
        name = node.name if node.stage == "splits" else None
        dataset = results.plan.study.splits[name].dataset if name else node.name
        facts = results.plan.study.datasets[dataset].facts
        pixels = (facts.n or OWN) * math.prod(facts.shape or SHAPE)
        return Interval(0.02, 1).times(pixels) + Interval(20, 80).times(facts.n or OWN)
    if node.stage == "neighbours":
        return Interval(8, 20).times(_data(results, node.name).n_test)
    if node.stage == "training":
        shape = _data(results, _split(node)).shape
        network = times.network(node.settings["arch"], shape)
        number = costs.parameters(network) if network else 0
        held = 4 * number * (4 if results.plan.study.training.keep_states else 1)
        rows = node.settings["iterations"] / node.settings["history_every"]
        return Interval(held, 1.1 * held) + Interval(6e3 + 20 * rows, 1e4 + 60 * rows)
    if node.stage == "evaluation":
        pixels = node.settings["examples"] * math.prod(_data(results, _split(node)).shape)
        return Interval(1.5e4, 4e4) + Interval(0.05, 5).times(pixels)
    if node.stage == "diagnostics":
        data = _data(results, _split(node))
        images = {"pictures": 200 * math.prod(data.shape), "leave_out": 40 * data.n}
        return Interval(4e3, 2e4) + Interval(0.05, 1).times(images.get(measure_of(node), 0))
    if node.stage == "tables":
        return Interval(500, 4000).times(len(node.settings["runs"])) + Interval(1e4, 1e7)
    return Interval(3e4, 3e6)


def wall(costs: Iterable[Cost], machine: Machine, results: Results) -> Interval:
    """Seconds from start to end.

    At least, all cores and all GPUs are busy all the time, or jobs that wait for each other take
    that long. At most, both come one after the other (Graham's bound on any order of jobs).
    """
    costs = list(costs)
    if not costs:
        return NOTHING
    on_cores, on_gpus, chain = NOTHING, NOTHING, NOTHING
    for stage in STAGES:
        of_stage = [cost for cost in costs if cost.job.node.stage == stage]
        threads = machine.threads(_threads(results, stage))
        seconds = total(cost.seconds for cost in of_stage)
        if machine.gpus and stage in ON_GPU:
            on_gpus += seconds.times(1 / machine.gpus)
        else:
            on_cores += seconds.times(threads / machine.cores)
        if of_stage:
            chain += Interval(
                max(cost.seconds.low for cost in of_stage),
                max(cost.seconds.high for cost in of_stage),
            )
    low = max(on_cores.low, on_gpus.low, chain.low)
    high = on_cores.high + on_gpus.high + chain.high
    return Interval(low, high) + CALL + SCHEDULED.times(len(costs))


# --- words ----------------------------------------------------------------------------------------

UNITS = ((86400, "days", "day"), (3600, "hours", "hour"), (60, "minutes", "minute"))


def in_words(seconds: Interval) -> str:
    """An interval of time for people, rounded outwards: `3 to 8 minutes`."""
    if seconds.high <= 0:
        return "0 seconds"
    unit, plural, singular = next(
        (one for one in UNITS if seconds.high >= 1.5 * one[0]), (1, "seconds", "second")
    )
    if unit > 1 and 0 < seconds.low < unit:  # the low end has a unit of its own
        low = in_words(Interval(seconds.low, seconds.low)).removeprefix("about ")
        return f"{low} to {_rounded(seconds.high / unit, math.ceil)} {plural}"
    low, high = (
        _rounded(seconds.low / unit, math.floor),
        _rounded(seconds.high / unit, math.ceil),
    )
    if low == high or seconds.low == seconds.high:
        return f"{high} {singular if high == '1' else plural}"
    return f"{low} to {high} {plural}"


def of_bytes(size: Interval) -> str:
    """An interval of bytes for people."""
    unit, name = next(
        ((u, n) for u, n in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")) if size.high >= u), (1e3, "kB")
    )
    low = _rounded(size.low / unit, math.floor)
    high = _rounded(size.high / unit, math.ceil)
    return f"{high} {name}" if low == high else f"{low} to {high} {name}"


def _rounded(value: float, how: Any) -> str:
    """A number with two digits, rounded down or up; below ten with one decimal if it has one."""
    if value <= 0:
        return "0"
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    step = max(step, 0.1) if value >= 1 else step
    return f"{how(round(value / step, 6)) * step:,.10g}"


def as_json(forecast: Forecast, targets: Iterable[str], machine: Machine) -> dict[str, Any]:
    """A forecast for programs: seconds and bytes, each as [low, high]."""
    return {
        "targets": list(targets),
        "machine": {"cores": machine.cores, "gpus": machine.gpus, "device": machine.device},
        "wall_seconds": _pair(forecast.wall),
        "job_seconds": _pair(total(cost.seconds for cost in forecast.costs)),
        "bytes": _pair(total(cost.bytes for cost in forecast.costs)),
        "memory_bytes": dict(forecast.memory),
        "jobs": [
            {
                "stage": cost.job.node.stage,
                "name": cost.job.node.name,
                "address": cost.job.node.address,
                "runs": [dict(run) for run in cost.job.runs if run],
                "results": len(cost.job.runs),
                "from_store": cost.job.stored,
                "seconds": _pair(cost.seconds),
                "bytes": _pair(cost.bytes),
                "basis": cost.basis,
            }
            for cost in forecast.costs
        ],
    }


def _pair(interval: Interval) -> list[float]:
    return [round(interval.low, 3), round(interval.high, 3)]
