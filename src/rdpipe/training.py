"""Training of packs of β-VAEs: many runs at once, on one device, each as if it were alone.

All runs of a pack share architecture and data and differ in β and seed. Their parameters are
stacked along a leading runs axis, and their losses are summed, never averaged, so that elementwise
Adam on the stacked tensors is exactly one Adam a run. Letters in shapes: R runs, B batch, N
examples, P pixels times channels of a flattened image, D latent dimensions.
"""

import ctypes
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rdpipe import devices, early_stopping, files, models, objectives, streams
from rdpipe.early_stopping import Best, HeldOut
from rdpipe.errors import RdpipeError
from rdpipe.objectives import Objective
from rdpipe.progress import Progress

log = logging.getLogger("rdpipe")

_BEST = ("iteration", "objective", "history")  # what a state file has of `Best`, but parameters
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


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
        from 1, whose D, R or penalty is not finite, or None) and kept_at (the iteration after which
        the parameters were as they are here, or None if the run diverged before any were kept).
    """

    parameters: dict[str, Tensor]
    history: dict[str, np.ndarray]
    record: dict[str, Any]


@dataclass
class Pack:
    """All that changes while R runs are trained."""

    parameters: dict[str, Tensor]
    optimizer: torch.optim.Adam
    history: Tensor  # float64 (intervals, 3, R): mean D, R and penalty
    diverged_at: Tensor  # int64 (R,), 0 for a run that has not diverged
    step: int = 0
    best: Best | None = None  # with early stopping


@contextmanager
def tuned_process() -> Iterator[None]:
    """Two settings of the process that make many steps of the same sizes faster on a CPU.

    Subnormal numbers (float32: below 1e-38) are taken for zero: Adam's moments of weights whose
    gradient has become zero for good (of a dead unit, say) shrink to them and stay there; measured,
    its step is then fifteen times slower. And glibc keeps what is freed, for the next step asks for
    the same sizes again: by default large tensors go back to the system, which clears their pages
    anew in every step, measured at 5 % of a step with 4 runs, 20 % with 12.
    """
    trim_threshold, mmap_max = -1, -4  # malloc.h
    with suppress(OSError, AttributeError):  # not glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(trim_threshold, -1)
        libc.mallopt(mmap_max, 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@tuned_process()
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
) -> list[Trained]:
    """Train R runs with Adam on the objective D + β·penalty (paper, Equation 1 and Section 4.3).

    Parameters
    ----------
    images
        Training part, uint8 (N, H, W, C).
    runs
        β and seed of each run. Those of one seed share initial weights, batches and noise.
    arch
        What `models.build` takes, and "penalty" (see `objectives.Objective`) and "early_stopping":
        None, or the share of the examples to hold out (see the module).
    iterations, batch_size, learning_rate
        Number of Adam's steps, examples in each, and Adam's learning rate.
    precision
        "float32" or "float64".
    history_every
        Iterations of an interval of the history, after which early stopping looks at the runs.
    device
        Where to compute; None lets `devices.choose` decide.
    state
        File to which the training is saved, at least `save_every` seconds apart and when it is
        done, and from which a later call with the same arguments goes on, with the same result as
        if it had never been interrupted. One that does not fit or cannot be read is written anew.

    Returns
    -------
    list of Trained
        In the order of `runs`. One that diverges is a result too, and does not touch the others.

    Raises
    ------
    RdpipeError
        If there are fewer examples to train on than a batch takes, or the images are too small for
        the network.
    """
    images = np.ascontiguousarray(images)
    settings = {
        "arch": dict(arch), "image_shape": list(images.shape[1:]), "n_train": len(images),
        "iterations": iterations, "batch_size": batch_size, "learning_rate": learning_rate,
        "precision": precision,
    }  # fmt: skip
    device, dtype = torch.device(device or devices.choose()), _DTYPES[precision]
    network = models.build(arch, images.shape[1:])
    seeds = [run.seed for run in runs]
    pack = new_pack(models.initial_parameters(network, seeds), learning_rate, dtype, device)
    pixels, held_out = _examples(images, arch, batch_size, device)
    if held_out:
        pack.best = early_stopping.new_best(held_out, pack.parameters)
    beta = torch.tensor([run.beta for run in runs], dtype=dtype, device=device)
    objective = Objective(network, arch["penalty"], beta, len(pixels))
    if state:
        # the workflow's path says as much, but a state must fit wherever it comes from
        rest = {
            "runs": [asdict(run) for run in runs], "history_every": history_every,
            "images": hashlib.sha256(images.data).hexdigest(),
        }  # fmt: skip
        key = json.dumps(settings | rest, sort_keys=True)
        _resume(pack, state, key)
    feed = batches(pixels, seeds, batch_size, network.latent, dtype, pack.step)
    progress = Progress(iterations, "training", done=pack.step)
    saved = time.monotonic()
    while pack.step < iterations and not pack.diverged_at.all():
        steps = min(history_every, iterations - pack.step)
        _note(pack, advance(pack, feed, objective, steps))
        if pack.best:
            early_stopping.look(pack.best, objective, pack.parameters, pack.step)
        progress.update(steps)
        # a request to stop (a signal) would be answered here: save, then leave
        if state and time.monotonic() - saved >= save_every:
            _save(pack, state, key)
            saved = time.monotonic()
    if state:
        _save(pack, state, key)
    return [_trained(pack, i, run, settings, history_every) for i, run in enumerate(runs)]


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


def new_pack(
    initial: Mapping[str, Tensor], learning_rate: float, dtype: torch.dtype, device: torch.device
) -> Pack:
    """A pack before its first step, from the initial parameters of R runs."""
    parameters = {name: p.to(device, dtype).requires_grad_() for name, p in initial.items()}
    optimizer = torch.optim.Adam(parameters.values(), lr=learning_rate, fused=True)
    n_runs = len(parameters["mean.bias"])
    history = torch.empty(0, 3, n_runs, dtype=torch.float64)
    return Pack(parameters, optimizer, history, torch.zeros(n_runs, dtype=torch.int64))


def batches(
    pixels: Tensor,
    seeds: Sequence[int],
    batch_size: int,
    latent: int,
    dtype: torch.dtype,
    step: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Intensities (R, B, P) and noise (R, B, D) of every step from `step` on.

    Runs of one seed share both; where all do, the leading axis has length 1.
    """
    distinct = list(dict.fromkeys(seeds))  # S
    which = torch.tensor([distinct.index(seed) for seed in seeds], device=pixels.device)  # (R,)
    chunk, first = divmod(step, streams.CHUNK)
    while True:
        drawn = [
            (
                streams.rows(seed, chunk, len(pixels), batch_size),
                streams.noise(seed, chunk, batch_size, latent),
            )
            for seed in distinct
        ]
        rows, noise = (
            torch.from_numpy(np.stack(parts, axis=1)).to(pixels.device)
            for parts in zip(*drawn, strict=True)
        )  # (CHUNK, S, B), (CHUNK, S, B, D)
        for i in range(first, streams.CHUNK):
            x = pixels[rows[i]].to(dtype).div_(255)  # (S, B, P)
            epsilon = noise[i].to(dtype)
            yield (x, epsilon) if len(distinct) == 1 else (x[which], epsilon[which])
        chunk, first = chunk + 1, 0


def advance(
    pack: Pack, feed: Iterator[tuple[Tensor, Tensor]], objective: Objective, steps: int
) -> Tensor:
    """Take `steps` steps without waiting for the device.

    Returns D, R and the penalty of each, (steps, 3, R).
    """
    beta = objective.beta
    values = torch.empty(steps, 3, len(beta), dtype=beta.dtype, device=beta.device)
    for i in range(steps):
        x, noise = next(feed)
        distortion, rate, penalty = objectives.terms(objective, pack.parameters, x, noise)
        pack.optimizer.zero_grad()
        (distortion + beta * penalty).sum().backward()
        pack.optimizer.step()
        torch.stack((distortion.detach(), rate.detach(), penalty.detach()), out=values[i])
    return values


def _note(pack: Pack, values: Tensor) -> None:
    """Enter an interval's values (steps, 3, R) into the pack's history."""
    values = values.double().cpu()
    pack.history = torch.cat((pack.history, values.mean(0, keepdim=True)))
    bad = ~values.isfinite().all(1)  # (steps, R)
    first = torch.where(bad.any(0), pack.step + 1 + bad.int().argmax(0), 0)
    pack.diverged_at = torch.where(pack.diverged_at > 0, pack.diverged_at, first)
    pack.step += len(values)


def _trained(
    pack: Pack, i: int, run: Run, settings: Mapping[str, Any], history_every: int
) -> Trained:
    """Run i of a pack, its history cut where it diverged."""
    iterations = settings["iterations"]
    iteration = np.arange(1, len(pack.history) + 1, dtype=np.int64) * history_every
    iteration = iteration.clip(max=iterations)
    last = _of_run(i, pack.parameters)
    kept = _of_run(i, pack.best.parameters) if pack.best else last
    # no later step sees the last update of all; and nothing is kept where no look was finite
    finite = all(p.isfinite().all() for p in (*last.values(), *kept.values()))
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
    tensors = {"history": pack.history, "diverged_at": pack.diverged_at}
    moments = pack.optimizer.state_dict()["state"].values()
    for (name, parameter), state in zip(pack.parameters.items(), moments, strict=True):
        tensors[f"parameter/{name}"] = parameter.detach()
        tensors |= {f"{part}/{name}": value for part, value in state.items()}
    if pack.best:
        tensors |= {f"best/{name}": p for name, p in pack.best.parameters.items()}
        tensors |= {f"best_{part}": getattr(pack.best, part) for part in _BEST}
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        save_file(tensors, temporary, metadata={"key": key, "step": str(pack.step)})
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
    moments: dict[int, dict[str, Tensor]] = {}
    for i, (name, parameter) in enumerate(pack.parameters.items()):
        parameter.data.copy_(tensors[f"parameter/{name}"])
        parts = ("step", "exp_avg", "exp_avg_sq")
        moments[i] = {part: tensors[f"{part}/{name}"] for part in parts}
    pack.optimizer.load_state_dict(pack.optimizer.state_dict() | {"state": moments})
    pack.history, pack.diverged_at = tensors["history"], tensors["diverged_at"]
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
