"""How long jobs take: counted from their work, and corrected by what this store's records say.

Each job has a *nominal* time: the operations and bytes of its work at stated speeds. Records of a
store say how many times that such jobs really took. The estimate is an interval:

- If there are records of the same kind of job on the same device, their range with a margin. The
  same kind of training has the same architecture, batch and image shape; its iterations may differ.
- Else, if there are records of the same stage on the same device, their range with a wide margin.
- Else the nominal time with the widest margin, STATED.

Counts need the shapes alone, so nothing here imports torch.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rdpipe.common.errors import RdpipeError
from rdpipe.overview.results import Record, read_record
from rdpipe.store.objects import Store
from rdpipe.study.settings.diagnostics import MEASURES
from rdpipe.vae import costs, networks
from rdpipe.vae.networks import Network

MOST_RECORDS = (
    20_000  # a larger store is not read to its end; keys are digests, so that is a sample
)
CPU_SPEED, CPU_BYTES = 6e10, 2e10  # operations a second of a thread, bytes a second of all threads
GPU_SPEED, GPU_BYTES = 2e13, 2e12  # of a GPU; an H100 took half as long, in TF32
CPU_STEP, GPU_STEP = 5e-4, 1e-4  # seconds of a step of training besides; on a GPU, of all its runs
CPU_IMAGE, GPU_IMAGE = 1e-4, 2e-5  # seconds to draw or to evaluate an image besides its products
PACKED_BYTES = 1.5e8  # bytes of images that are compressed in a second
STATED = (0.25, 6.0)  # nominal times may be so many times too long or too short
SAME, LIKE = (0.7, 1.6), (0.4, 2.5)  # margins of records of the same kind, and of the same stage


@dataclass(frozen=True)
class Interval:
    """A number that lies between two others."""

    low: float
    high: float

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> "Interval":
        """The interval of a multiple."""
        return Interval(self.low * factor, self.high * factor)


NOTHING = Interval(0, 0)


@dataclass(frozen=True)
class Machine:
    """Where jobs will run.

    Attributes
    ----------
    cores, gpus
        How many of them jobs may use at a time. Without a GPU, all jobs run on the CPU.
    device
        What records call the device; the empty string for any GPU.
    """

    cores: int
    gpus: int
    device: str

    def threads(self, asked: int) -> int:
        """CPU threads of a job that asks for some."""
        return min(asked, self.cores)


@dataclass(frozen=True)
class Work:
    """The work of one result.

    Attributes
    ----------
    stage
        Its stage.
    kind
        What results of the same kind have in common.
    seconds
        Its nominal time.
    """

    stage: str
    kind: str
    seconds: float


@dataclass(frozen=True)
class Data:
    """What the work of a result depends on: parts of a split, and the shape of its images."""

    n_train: int
    n_test: int
    shape: tuple[int, int, int]

    @property
    def n(self) -> int:
        """Images of both parts."""
        return self.n_train + self.n_test


# --- nominal times --------------------------------------------------------------------------------


def of_dataset(n: int) -> Work:
    """The work of a dataset of n images."""
    return Work("datasets", "", 0.5 + CPU_IMAGE * n)


def of_split(data: Data) -> Work:
    """The work of a split."""
    return Work("splits", "", 0.5 + data.n * math.prod(data.shape) / PACKED_BYTES)


def of_neighbours(data: Data, threads: int, gpu: bool) -> Work:
    """The work of the neighbours of a split."""
    operations = 2.0 * data.n_train * data.n_test * math.prod(data.shape)
    speed = GPU_SPEED if gpu else CPU_SPEED * threads
    return Work("neighbours", f"gpu={gpu}", 0.5 + operations / speed)


def of_training(
    settings: Mapping[str, Any], shape: tuple[int, int, int], threads: int, pack: int, gpu: bool
) -> Work:
    """The work of one run of a training; `settings` are those of its node."""
    arch, batch = settings["arch"], settings["batch_size"]
    net = network(arch, shape)
    products = costs.step_products(net, batch) if net else 0
    parameters = costs.parameters(net) if net else 0
    operations, moved = 6 * products, 4 * 15 * parameters
    step = operations / CPU_SPEED / threads + moved / CPU_BYTES + CPU_STEP
    if gpu:
        step = operations / GPU_SPEED + moved / GPU_BYTES + GPU_STEP / pack
    alike = [arch, batch, settings["precision"], shape, pack if gpu else threads]
    return Work("training", _text(alike), step * settings["iterations"])


def of_evaluation(
    settings: Mapping[str, Any], arch: Mapping[str, Any], data: Data, threads: int, gpu: bool
) -> Work:
    """The work of one run of an evaluation."""
    net = network(arch, data.shape)
    products = costs.products(net) if net else 0
    samples = 2 * settings["likelihood_images"] * max(settings["likelihood_samples"], default=0)
    operations = 4.0 * products * data.n + 2.0 * products * samples
    operations += 10.0 * settings["outer"] * data.n_train * arch["latent"]
    seconds = operations / (GPU_SPEED if gpu else CPU_SPEED * threads)
    seconds += 0.5 + data.n * (GPU_IMAGE if gpu else CPU_IMAGE)
    alike = [arch, {k: v for k, v in settings.items() if k != "run"}, data.shape, threads, gpu]
    return Work("evaluation", _text(alike), seconds)


def of_diagnostic(
    measure: str,
    settings: Mapping[str, Any],
    arch: Mapping[str, Any],
    data: Data,
    threads: int,
    gpu: bool,
) -> Work:
    """The work of one measure of one run."""
    net = network(arch, data.shape)
    products = costs.products(net) if net else 0
    passes = {  # images that the networks see, to and fro
        "inference_gap": 4.0 * settings.get("images", 0) * settings.get("steps", 0),
        "leave_out": 1.0 * data.n * settings.get("samples", 0),
    }
    operations = 2.0 * products * passes.get(measure, data.n)
    seconds = 0.5 + operations / (GPU_SPEED if gpu else CPU_SPEED * threads)
    seconds += data.n * (GPU_IMAGE if gpu else CPU_IMAGE)
    alike = [measure, arch, dict(settings), data.shape, threads, gpu]
    return Work("diagnostics", _text(alike), seconds)


def of_table(rows: int) -> Work:
    """The work of a table of so many runs."""
    return Work("tables", "", 1 + 1e-3 * rows)


def of_figure(module: str) -> Work:
    """The work of a figure."""
    return Work("figures", module, 4)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def network(arch: Mapping[str, Any], shape: tuple[int, int, int]) -> Network | None:
    """The network of an architecture, or None if the images are too small for it."""
    return _network(_text(arch), shape)


@cache
def _network(arch: str, shape: tuple[int, int, int]) -> Network | None:
    with suppress(RdpipeError, LookupError, TypeError):  # images too small for it: its jobs say so
        return networks.build(json.loads(arch), shape)
    return None


# --- records --------------------------------------------------------------------------------------


class Measured:
    """How many times their nominal time the results of a store took, by stage, device and kind."""

    def __init__(self, store: Store) -> None:
        self._ratios: dict[tuple[str, str], dict[str, list[float]]] = {}
        self.gpus: list[str] = []  # of trainings, those of the newest last
        found = list(_records(store))
        for _, record in sorted(found, key=lambda one: str(one[1].get("start"))):
            if record["stage"] == "training" and _is_gpu(record):
                self.gpus.append(record["device"])
        for work, record in _works(found):
            if work.seconds > 0 and record["seconds"] > 0:
                kinds = self._ratios.setdefault((work.stage, str(record["device"])), {})
                kinds.setdefault(work.kind, []).append(record["seconds"] / work.seconds)

    def estimate(self, work: Work, device: str) -> tuple[Interval, str]:
        """The time of one result in seconds, and its source: same, like or counted."""
        kinds = self._ratios.get((work.stage, device), {})
        if same := kinds.get(work.kind):
            return _spread(same, SAME).times(work.seconds), "same"
        if kinds:
            every = [ratio for ratios in kinds.values() for ratio in ratios]
            return _spread(every, LIKE).times(work.seconds), "like"
        return Interval(*STATED).times(work.seconds), "counted"


def _spread(ratios: list[float], margin: tuple[float, float]) -> Interval:
    """The range of nine tenths of some ratios, with a margin."""
    ordered = sorted(ratios)
    cut = len(ordered) // 20
    return Interval(ordered[cut] * margin[0], ordered[-1 - cut] * margin[1])


def _records(store: Store) -> Iterator[tuple[str, Record]]:
    """Folders and records of the objects of a store whose time was measured."""
    count = 0
    with suppress(OSError):
        for inner in sorted(os.scandir(store.root / "objects"), key=lambda one: one.name):
            for folder in os.scandir(inner):
                record = read_record(folder.path)
                wanted = {"stage", "settings", "inputs", "seconds", "device", "threads"}
                if record and wanted <= record.keys() and "adopted" not in record:
                    yield folder.path, record
                count += 1
                if count >= MOST_RECORDS:
                    return


def _works(found: list[tuple[str, Record]]) -> Iterator[tuple[Work, Record]]:
    """The work behind each record, where other records tell its data and its architecture."""
    sets = _joined(found, "datasets", "images.npz")
    data: dict[str, Data] = {}  # by the content of the training part
    for content, (folder, record) in _joined(found, "splits", "train.npz").items():
        dataset = sets.get(record["inputs"].get("images", ""))
        manifest = _manifest(folder)
        shape = _manifest(dataset[0]).get("shape") if dataset else None
        if shape and {"n_train", "n_test"} <= manifest.keys():
            data[content] = Data(manifest["n_train"], manifest["n_test"], tuple(shape))
    models = _joined(found, "training", "model.safetensors")
    for folder, record in found:
        with suppress(LookupError, TypeError, ValueError):
            yield _work(folder, record, data, models), record


def _work(
    folder: str, record: Record, data: Mapping[str, Data], models: Mapping[str, tuple[str, Record]]
) -> Work:
    settings, inputs, threads = record["settings"], record["inputs"], record["threads"]
    gpu = _is_gpu(record)
    match record["stage"]:
        case "datasets":
            return of_dataset(_manifest(folder)["n"])
        case "splits":
            part = record["files"]["train.npz"]["content"]
            return of_split(data[part])
        case "neighbours":
            return of_neighbours(data[inputs["train"]], threads, gpu)
        case "training":
            shape = data[inputs["train"]].shape
            return of_training(settings, shape, threads, record.get("pack", 1), gpu)
        case "evaluation":
            arch = models[inputs["model"]][1]["settings"]["arch"]
            return of_evaluation(settings, arch, data[inputs["train"]], threads, gpu)
        case "diagnostics":
            arch = models[inputs["model"]][1]["settings"]["arch"]
            kept = {name: value for name, value in settings.items() if name != "run"}
            measure = next(
                one for one in MEASURES if f"rdpipe.diagnostics.{one}" in record["modules"]
            )
            return of_diagnostic(measure, kept, arch, data[inputs["train"]], threads, gpu)
        case "tables":
            return of_table(len(settings["runs"]))
        case "figures":
            drawn = next(name for name in record["files"] if name.endswith(".pdf"))
            return of_figure(f"rdpipe.figures.{Path(drawn).stem}")
    raise ValueError


def _joined(
    found: list[tuple[str, Record]], stage: str, file: str
) -> dict[str, tuple[str, Record]]:
    """Objects of a stage by the content digest of one of their files, which others read."""
    return {
        record["files"][file]["content"]: (folder, record)
        for folder, record in found
        if record["stage"] == stage and file in record["files"]
    }


@cache
def _manifest(folder: str) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return dict(json.loads(Path(folder, "manifest.json").read_text("utf-8")))
    return {}


def _is_gpu(record: Mapping[str, Any]) -> bool:
    """Whether a record's device is a GPU: the name of a processor is part of the platform's."""
    return str(record["device"]) not in str(record.get("platform", ""))
