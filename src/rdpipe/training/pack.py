"""A pack: runs that are trained together, what is known of their steps, and what they end as.

Letters in shapes: R runs, N examples, P pixels times channels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rdpipe.common.errors import RdpipeError
from rdpipe.training import early_stopping
from rdpipe.training.early_stopping import Best, HeldOut
from rdpipe.training.engine import Engine
from rdpipe.training.objectives import Objective
from rdpipe.vae import networks
from rdpipe.vae.models import VAE


@dataclass(frozen=True)
class Run:
    """What tells the runs of a pack apart."""

    beta: float
    seed: int


def _no_state(path: Path) -> None:
    """A run that was not just trained has no state."""
    raise RuntimeError("the state of this run is gone")


@dataclass(frozen=True)
class Trained:
    """One trained run.

    Attributes
    ----------
    parameters
        See `models.VAE`; without the runs axis, on the CPU. They are those that early stopping
        kept, if it is used, else the last. They may be NaN after a divergence.
    history
        Columns iteration, distortion, rate, penalty, objective [nats], equally long: means over the
        training batches of the interval that ends at the iteration. Early stopping adds validation
        [nats], the objective on the held-out examples after the iteration. The history is cut where
        the run diverged; the last validation is not finite if the update before it was to blame.
    record
        The settings; `status` ("finished" or "diverged"); `diverged_at`, None or the first
        iteration, counted from 1, whose D, R or penalty is not finite (the last iteration if only a
        parameter or a moment of Adam's is not); and `kept_at`, the iteration after which the
        parameters were as they are here, or None if the run diverged before any were kept.
    save_state
        Writes the state from which a longer training goes on. To be called before the training of
        the pack takes its next step.
    """

    parameters: dict[str, Tensor]
    history: dict[str, np.ndarray]
    record: dict[str, Any]
    save_state: Callable[[Path], None] = field(default=_no_state, compare=False)


@dataclass
class Pack:
    """R runs under training, and what is known of their steps so far."""

    engine: Engine
    history: Tensor  # float64 (intervals, 3, R): mean D, R and penalty
    values: Tensor  # float64 (steps, 3, R): those of the steps since the last interval
    diverged_at: Tensor  # int64 (R,), 0 for a run that has not diverged
    step: int = 0
    best: Best | None = None  # with early stopping


def new_pack(
    images: np.ndarray,
    runs: Sequence[Run],
    arch: Mapping[str, Any],
    batch_size: int,
    learning_rate: float,
    dtype: torch.dtype,
    device: torch.device,
) -> Pack:
    """A pack before its first step; the arguments are those of `train.train`.

    Raises
    ------
    RdpipeError
        If there are fewer examples to train on than a batch takes or than the prior starts from,
        the images are too small for the network, or the likelihood cannot score them.
    """
    network = networks.build(arch, images.shape[1:])
    pixels, held_out = _examples(images, arch, batch_size, device)
    network.likelihood.check(pixels)
    beta = torch.tensor([run.beta for run in runs], dtype=dtype, device=device)
    objective = Objective(arch["penalty"], beta, len(pixels))
    seeds = [run.seed for run in runs]
    engine = Engine(network, objective, pixels, seeds, batch_size, learning_rate)
    nothing = torch.empty(0, 3, len(runs), dtype=torch.float64)
    pack = Pack(engine, nothing, nothing, torch.zeros(len(runs), dtype=torch.int64))
    if held_out:
        pack.best = early_stopping.new_best(held_out, engine.vae, len(runs))
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


def ended(pack: Pack, iterations: int) -> bool:
    """Whether nothing is left to do.

    Where all runs have diverged, the end is that of an interval, which no clock decides.
    """
    return pack.step == iterations or (not len(pack.values) and bool(pack.diverged_at.all()))


def note(pack: Pack, values: Tensor) -> None:
    """Enter the values of the steps just taken, (steps, 3, R)."""
    values = values.double().cpu()
    pack.values = torch.cat((pack.values, values))
    bad = ~values.isfinite().all(1)  # (steps, R)
    first = torch.where(bad.any(0), pack.step + 1 + bad.int().argmax(0), 0)
    pack.diverged_at = torch.where(pack.diverged_at > 0, pack.diverged_at, first)
    pack.step += len(values)


def end_interval(pack: Pack) -> None:
    """Turn the values of an interval into a row of the history; look whether runs are better."""
    pack.history = torch.cat((pack.history, pack.values.mean(0, keepdim=True)))
    pack.values = pack.values[:0]
    if pack.best:
        early_stopping.look(pack.best, pack.engine.groups, pack.step)


def at_end(pack: Pack) -> Pack:
    """The pack as it would be if its training ended here; the pack itself stays as it is."""
    if not len(pack.values):
        return pack
    ending = replace(pack)
    if pack.best:
        kept = {name: p.clone() for name, p in pack.best.vae.parameters.items()}
        ending.best = replace(pack.best, vae=VAE(pack.best.vae.network, kept))
    end_interval(ending)
    return ending


def trained(
    pack: Pack, i: int, run: Run, settings: Mapping[str, Any], history_every: int
) -> Trained:
    """Run i of a pack, its history cut where it diverged."""
    iterations = settings["iterations"]
    iteration = np.arange(1, len(pack.history) + 1, dtype=np.int64) * history_every
    iteration = iteration.clip(max=iterations)
    last = pack.engine.vae.run(i)
    kept = pack.best.vae.run(i) if pack.best else last
    # No later step sees the last update. Nothing is kept where no look was finite. A parameter
    # with an infinite moment of Adam's stands still, and neither D nor R shows that.
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
