"""Training of packs of β-VAEs: many runs at once, on one device, each as if it were alone.

All runs of a pack share architecture and data and differ in β and seed. Their parameters are
stacked along a leading runs axis, and their losses are summed, never averaged, so that elementwise
Adam on the stacked tensors is exactly one Adam a run. Letters in shapes: R runs, B batch, N
examples, P pixels times channels of a flattened image, D latent dimensions.
"""

import hashlib
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rdpipe.common import devices, files
from rdpipe.common.errors import OutOfMemoryError, RdpipeError
from rdpipe.common.progress import Progress
from rdpipe.training import early_stopping
from rdpipe.training.early_stopping import Best, HeldOut
from rdpipe.training.engine import Engine, tuned_process
from rdpipe.training.objectives import Objective
from rdpipe.vae import networks

log = logging.getLogger("rdpipe")

_SO_FAR = ("history", "values", "diverged_at")  # what a state file has of `Pack`, but the engine
_TRAINED = ("parameters", "exp_avg", "exp_avg_sq")  # of the engine
_BEST = ("iteration", "objective", "history")  # what a state file has of `Best`, but parameters
_NO_MEMORY = re.compile("out of memory|ALLOC_FAILED")
MEMORY = 0.8  # of what a device has free, for what can be counted
STRETCH = 2.0  # seconds of steps between looks at the clock and at `stop`
LEAST_STRETCH = 32  # steps on a GPU, which loses time at every look


@dataclass(frozen=True)
class Run:
    """What tells the runs of a pack apart."""

    beta: float
    seed: int


@dataclass(frozen=True)
class Trained:
    """One trained run.

    Attributes
    ----------
    parameters
        See `models`; without the runs axis, on the CPU; those that early stopping kept, if it is
        used, else the last; may be NaN after a divergence.
    history
        Columns iteration, distortion, rate, penalty, objective [nats], equally long: means over the
        training batches of the interval that ends at the iteration; with early stopping also
        validation [nats], the objective on the examples held out, after the iteration. Cut where
        the run diverged; the last validation is not finite if the update before it was to blame.
    record
        The settings, status ("finished" or "diverged"), diverged_at (the first iteration, counted
        from 1, whose D, R or penalty is not finite, or the last, where only a parameter or a moment
        of Adam's is not, or None) and kept_at (the iteration after which
        the parameters were as they are here, or None if the run diverged before any were kept).
    """

    parameters: dict[str, Tensor]
    history: dict[str, np.ndarray]
    record: dict[str, Any]


@dataclass
class Pack:
    """R runs under training, and what is known of their steps so far."""

    engine: Engine
    history: Tensor  # float64 (intervals, 3, R): mean D, R and penalty
    values: Tensor  # float64 (steps, 3, R): those of the steps since the last interval
    diverged_at: Tensor  # int64 (R,), 0 for a run that has not diverged
    step: int = 0
    best: Best | None = None  # with early stopping


def capacity(
    images: np.ndarray, *, arch: Mapping[str, Any], batch_size: int, precision: str, **_: Any
) -> int:
    """How many runs can be trained together in the memory that the device has left, at least 1.

    Parameters
    ----------
    images
        Training part, uint8 (N, H, W, C).
    arch, batch_size, precision
        As `train` takes them; its other settings do not matter.
    """
    device = devices.choose()
    if device.type == "cpu":
        return sys.maxsize
    network = networks.build(arch, images.shape[1:])
    each = network.numbers(batch_size) * _dtype(precision).itemsize
    free = torch.cuda.mem_get_info(device)[0]
    return max(1, int((MEMORY * free - images.nbytes) / each))


def train(
    images: np.ndarray,
    runs: Sequence[Run],
    *,
    arch: Mapping[str, Any],
    iterations: int,
    batch_size: int,
    learning_rate: float,
    precision: str,
    history_every: int,
    device: torch.device | str | None = None,
    state: Path | None = None,
    save_every: float = 180.0,
    stop: Callable[[], bool] = lambda: False,
) -> list[Trained]:
    """Train R runs with Adam on the objective D + β·penalty (paper, Equation 1 and Section 4.3).

    Parameters
    ----------
    images
        Training part, uint8 (N, H, W, C).
    runs
        β and seed of each run. Those of one seed share initial weights, batches and noise.
    arch
        What `networks.build` takes, and "penalty" (see `objectives.Objective`) and
        "early_stopping": None, or the share of the examples to hold out (see the module).
    iterations, batch_size, learning_rate
        Number of Adam's steps, examples in each, and Adam's learning rate.
    precision
        "float32", "tf32", "bfloat16" or "float64": see `precision.products`. Parameters are float64
        in the last, else float32.
    history_every
        Iterations of an interval of the history, after which early stopping looks at the runs.
    device
        Where to compute; None lets `devices.choose` decide.
    state
        File to which the training is saved, about `save_every` seconds apart, when it is stopped
        and when it is done, and from which a later call with the same arguments goes on, with the
        same result as if it had never been interrupted. One that does not fit or cannot be read is
        written anew.
    stop
        Asked every few seconds; when it says True, the training is saved and given up.

    Returns
    -------
    list of Trained
        In the order of `runs`. One that diverges is a result too, and does not touch the others.

    Raises
    ------
    RdpipeError
        If there are fewer examples to train on than a batch takes, or the images are too small for
        the network; or if the training was stopped.
    OutOfMemoryError
        If so many runs do not fit the GPU's memory.
    """
    images = np.ascontiguousarray(images)
    settings = {
        "arch": dict(arch), "image_shape": list(images.shape[1:]), "n_train": len(images),
        "iterations": iterations, "batch_size": batch_size, "learning_rate": learning_rate,
        "precision": precision,
    }  # fmt: skip
    place = torch.device(device or devices.choose())
    with tuned_process(precision), _telling_of_memory(len(runs)):
        pack = _new_pack(images, runs, arch, batch_size, learning_rate, precision, place)
        if state:
            # the workflow's path says as much, but a state must fit wherever it comes from
            rest = {
                "runs": [asdict(run) for run in runs], "history_every": history_every,
                "images": hashlib.sha256(images.data).hexdigest(),
            }  # fmt: skip
            key = json.dumps(settings | rest, sort_keys=True)
            _resume(pack, state, key)
        progress = Progress(iterations, "training", done=pack.step)
        saved = time.monotonic()
        most = LEAST_STRETCH if place.type == "cuda" else history_every
        while not _ended(pack, iterations):
            before, start = pack.step, time.monotonic()
            steps = min(most, history_every - len(pack.values), iterations - before)
            _note(pack, pack.engine.advance(before, steps, STRETCH))
            if place.type == "cuda":  # the engine does not wait for it; noting the values does
                most = max(LEAST_STRETCH, int(steps * STRETCH / (time.monotonic() - start)))
            if len(pack.values) == history_every or pack.step == iterations:
                _end_interval(pack)
            progress.update(pack.step - before)
            stopped = stop() and not _ended(pack, iterations)
            if stopped:
                if state:
                    _save(pack, state, key)
                raise _Stopped(pack.step, iterations, state)
            if state and time.monotonic() - saved >= save_every:
                _save_if_possible(pack, state, key)
                saved = time.monotonic()
        if state:
            _save_if_possible(pack, state, key)
    return [_trained(pack, i, run, settings, history_every) for i, run in enumerate(runs)]


@contextmanager
def _telling_of_memory(runs: int) -> Iterator[None]:
    """Say in our own words that a GPU's memory is too small."""
    try:
        yield
    except RuntimeError as error:  # CUDA's libraries have no class of their own for it
        if not (isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY.search(str(error))):
            raise
        raise OutOfMemoryError(
            f"training {runs} at once takes more memory than the GPU has free ({error}); "
            "free it, or take a smaller network or batch."
        ) from None


def _ended(pack: Pack, iterations: int) -> bool:
    """Whether nothing is left to do.

    Where all runs have diverged, that is at the end of an interval, which no clock decides.
    """
    return pack.step == iterations or (not len(pack.values) and bool(pack.diverged_at.all()))


class _Stopped(RdpipeError):
    """A training was stopped as it was asked to."""

    def __init__(self, step: int, iterations: int, state: Path | None) -> None:
        kept = "saved: call again to go on from there" if state else "lost"
        super().__init__(f"stopped after {step:,} of {iterations:,} iterations, which are {kept}.")


def _dtype(precision: str) -> torch.dtype:
    """Type of parameters: the precisions but one differ in products only."""
    return torch.float64 if precision == "float64" else torch.float32


def _new_pack(
    images: np.ndarray,
    runs: Sequence[Run],
    arch: Mapping[str, Any],
    batch_size: int,
    learning_rate: float,
    precision: str,
    device: torch.device,
) -> Pack:
    """A pack before its first step."""
    network = networks.build(arch, images.shape[1:])
    pixels, held_out = _examples(images, arch, batch_size, device)
    beta = torch.tensor([run.beta for run in runs], dtype=_dtype(precision), device=device)
    objective = Objective(network, arch["penalty"], beta, len(pixels))
    engine = Engine(objective, pixels, [run.seed for run in runs], batch_size, learning_rate)
    nothing = torch.empty(0, 3, len(runs), dtype=torch.float64)
    pack = Pack(engine, nothing, nothing, torch.zeros(len(runs), dtype=torch.int64))
    if held_out:
        pack.best = early_stopping.new_best(held_out, engine.parameters)
    return pack


def _examples(
    images: np.ndarray, arch: Mapping[str, Any], batch_size: int, device: torch.device
) -> tuple[Tensor, HeldOut | None]:
    """What is trained on, uint8 (N, P), and what is held out for early stopping."""
    pixels, held_out = torch.from_numpy(images.reshape(len(images), -1)).to(device), None
    if arch["early_stopping"]:
        pixels, held_out = early_stopping.hold_out(
            pixels, arch["early_stopping"], batch_size, arch["latent"]
        )
    if len(pixels) < batch_size:
        raise RdpipeError(
            f"{len(pixels)} of {len(images)} training examples are to be trained on, fewer than a "
            f"batch of {batch_size} takes; give the split more, or lower training.batch_size."
        )
    return pixels, held_out


def _note(pack: Pack, values: Tensor) -> None:
    """Enter the values of steps taken (steps, 3, R)."""
    values = values.double().cpu()
    pack.values = torch.cat((pack.values, values))
    bad = ~values.isfinite().all(1)  # (steps, R)
    first = torch.where(bad.any(0), pack.step + 1 + bad.int().argmax(0), 0)
    pack.diverged_at = torch.where(pack.diverged_at > 0, pack.diverged_at, first)
    pack.step += len(values)


def _end_interval(pack: Pack) -> None:
    """Turn the values of an interval into a row of the history; look whether runs are better."""
    pack.history = torch.cat((pack.history, pack.values.mean(0, keepdim=True)))
    pack.values = pack.values[:0]
    if pack.best:
        early_stopping.look(pack.best, pack.engine.groups, pack.step)


def _trained(
    pack: Pack, i: int, run: Run, settings: Mapping[str, Any], history_every: int
) -> Trained:
    """Run i of a pack, its history cut where it diverged."""
    iterations = settings["iterations"]
    iteration = np.arange(1, len(pack.history) + 1, dtype=np.int64) * history_every
    iteration = iteration.clip(max=iterations)
    last = _of_run(i, pack.engine.parameters)
    kept = _of_run(i, pack.best.parameters) if pack.best else last
    # no later step sees the last update of all; nothing is kept where no look was finite; and what
    # Adam has an infinite moment of has stood still since, without a sign in D and R
    moments = (p[i] for p in pack.engine.exp_avg_sq.values())
    finite = all(p.isfinite().all() for p in (*last.values(), *kept.values(), *moments))
    diverged_at = int(pack.diverged_at[i]) or (None if finite else iterations)
    sound = iteration < (diverged_at or np.inf)
    distortion, rate, penalty = pack.history[sound, :, i].numpy().T
    history = {
        "iteration": iteration[sound],
        "distortion": distortion,
        "rate": rate,
        "penalty": penalty,
        "objective": distortion + run.beta * penalty,
    }
    kept_at = None if diverged_at else iterations
    if pack.best:
        history["validation"] = pack.best.history[sound, i].numpy()
        kept_at = int(pack.best.iteration[i]) or None
    status = "diverged" if diverged_at else "finished"
    end = {"status": status, "diverged_at": diverged_at, "kept_at": kept_at}
    return Trained(kept, history, {**settings, **asdict(run), **end})


def _of_run(i: int, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of one run's parameters, on the CPU."""
    return {name: p[i].detach().cpu().clone() for name, p in parameters.items()}


def _save(pack: Pack, path: Path, key: str) -> None:
    """Write a pack to a state file, which is always whole: the old one or the new one."""
    tensors = {part: getattr(pack, part) for part in _SO_FAR}
    for part in _TRAINED:
        tensors |= {f"{part}/{name}": p for name, p in getattr(pack.engine, part).items()}
    if pack.best:
        tensors |= {f"best/{name}": p for name, p in pack.best.parameters.items()}
        tensors |= {f"best_{part}": getattr(pack.best, part) for part in _BEST}
    temporary = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    try:
        save_file(tensors, temporary, metadata={"key": key, "step": str(pack.step)})
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _save_if_possible(pack: Pack, path: Path, key: str) -> None:
    """A full disk costs the state, not the training."""
    try:
        _save(pack, path, key)
    except (OSError, SafetensorError) as error:
        log.warning("%s cannot be written (%s): training goes on without", path, error)


def _resume(pack: Pack, path: Path, key: str) -> None:
    """Bring a new pack to where the state file left it, if there is one and it fits."""
    if not path.exists():
        return
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        log.warning("%s cannot be read (%s): training starts anew", path, error)
        return
    if metadata.get("key") != key:
        log.warning("%s is the state of another training: training starts anew", path)
        return
    for part in _TRAINED:
        for name, p in getattr(pack.engine, part).items():
            p.copy_(tensors[f"{part}/{name}"])
    for part in _SO_FAR:
        setattr(pack, part, tensors[part])
    pack.step = int(metadata["step"])
    if pack.best:
        for name, p in pack.best.parameters.items():
            p.copy_(tensors[f"best/{name}"])
        for part in _BEST:
            setattr(pack.best, part, tensors[f"best_{part}"])
    log.info("training goes on from iteration %s of %s", f"{pack.step:,}", path)


def write_run(folder: Path, trained: Trained) -> None:
    """Write model.safetensors, history.parquet and run.json."""
    import pandas as pd  # training itself needs only torch, numpy and safetensors

    save_file(trained.parameters, folder / "model.safetensors")
    files.write_parquet(folder / "history.parquet", pd.DataFrame(trained.history))
    files.write_json(folder / "run.json", trained.record)
