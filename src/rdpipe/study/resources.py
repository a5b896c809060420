"""What a job asks of a cluster, memory and time, counted from the study.

Both are generous limits, not forecasts. A job that takes longer is ended and goes on from what it
has saved or stored, so no time is asked for that most partitions would refuse. All jobs of a stage
ask for the same, what its largest takes, because those of a SLURM array get the same.

Letters: N images, B batch, P pixels times channels.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rdpipe.common.errors import RdpipeError
from rdpipe.study.settings._base import Axis
from rdpipe.study.settings.study import Study
from rdpipe.vae import costs, networks
from rdpipe.vae.networks import Network

PROCESS = 3e9  # bytes of Python with PyTorch and a GPU's libraries; measured without these: 0.3e9
COPIES = 3  # of a dataset's images in memory at a time; measured: 2
IMAGE_TIME = 1e-3  # seconds to make or to evaluate an image; measured: up to 0.25e-3
GPU_SPEED, CPU_SPEED = 1e12, 1e11  # operations a second, of a small GPU and of a few CPU cores
SHORTEST, LONGEST = 60, 480  # minutes
GROWTH = (1.0, 1.5, 2.0)  # of the first tries; later ones are those of jobs that were ended
OWN, SHAPE = 200_000, (64, 64, 3)  # assumed of one's own images, which are counted when read


@dataclass(frozen=True)
class Need:
    """What the largest job of a stage takes: memory in bytes, time in seconds."""

    memory: float
    time: float

    def mem_mb(self, attempt: int = 1) -> int:
        """Megabytes to ask for at a try, counted from 1."""
        return math.ceil(self.memory * _growth(attempt) / 1e6)

    def runtime(self, attempt: int = 1) -> int:
        """Minutes to ask for at a try, counted from 1."""
        return min(math.ceil(SHORTEST + self.time * _growth(attempt) / 60), LONGEST)


def needs(study: Study) -> dict[str, Need]:
    """What a job takes, for each stage that works on images or runs."""
    facts = {name: dataset.facts for name, dataset in study.datasets.items()}
    shapes = {name: known.shape or SHAPE for name, known in facts.items()}
    counts = {name: known.n or OWN for name, known in facts.items()}
    n = max(counts.values(), default=0)
    pixels = max((counts[name] * math.prod(shape) for name, shape in shapes.items()), default=0)
    held = PROCESS + COPIES * pixels
    nets = _networks(study, shapes)
    products = max((costs.products(net) for net in nets), default=0)
    return {
        "datasets": Need(held, IMAGE_TIME * n),
        "splits": Need(held, IMAGE_TIME * n),
        # at most N²/4 pairs of a train and a test image, of two operations a pixel
        "neighbours": Need(held, n * pixels / 2 / CPU_SPEED),
        "training": _training(study, held, nets),
        "evaluation": _evaluation(study, held, n, products),
        "diagnostics": _diagnostics(study, held, n, products),
    }


def _networks(study: Study, shapes: Mapping[str, tuple[int, int, int]]) -> list[Network]:
    """The different networks of a study, for images of these shapes (H, W, C)."""
    pairs = {
        (arch, shapes[study.splits[split].dataset])
        for experiment in study.experiments.values()
        for split in experiment.splits
        for arch in experiment.archs
    }
    found = []
    for arch, shape in pairs:
        with suppress(RdpipeError):  # images too small for it: its jobs say so
            found.append(networks.build(study.archs[arch].model_dump(), shape))
    return found


def _training(study: Study, held: float, nets: Sequence[Network]) -> Need:
    training = study.training
    number = 8 if training.precision == "float64" else 4  # bytes
    run = number * max((costs.numbers(net, training.batch_size) for net in nets), default=0)
    runs = _runs(study, training.pack)
    # two operations a product: forward, for the weights' gradients and for those of what is read
    products = max((costs.step_products(net, training.batch_size) for net in nets), default=0)
    operations = 6 * products * training.iterations
    return Need(held + runs * run, runs * operations / GPU_SPEED)


def _evaluation(study: Study, held: float, n: int, products: int) -> Need:
    evaluation = study.evaluation
    samples = 2 * evaluation.likelihood_images * max(evaluation.likelihood_samples, default=0)
    time = IMAGE_TIME * n + 2 * products * samples / GPU_SPEED
    return Need(held, _runs(study, evaluation.pack) * time)


def _diagnostics(study: Study, held: float, n: int, products: int) -> Need:
    """Of fitting posteriors, which takes longer than any other measure."""
    gap = study.diagnostics.inference_gap
    # two operations a product, forward and for the gradients of the codes, on two parts
    operations = 8 * products * gap.images * gap.steps
    time = IMAGE_TIME * n + operations / GPU_SPEED
    return Need(held, _runs(study, study.diagnostics.pack) * time)


def _runs(study: Study, pack: tuple[Axis, ...]) -> int:
    """Runs of a job."""
    return math.prod(len(getattr(study, f"{axis}s")) for axis in pack)


def _growth(attempt: int) -> float:
    return GROWTH[min(attempt, len(GROWTH)) - 1]
