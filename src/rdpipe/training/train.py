"""Training of packs of β-VAEs: many runs at once, on one device, each as if it were alone.

All runs of a pack share architecture and data and differ in β and seed. Their parameters are
stacked along a leading runs axis, and their losses are summed, never averaged, so that elementwise
Adam on the stacked tensors is exactly one Adam a run. Letters in shapes: R runs, N examples.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors.torch import save_file

from rdpipe.common import devices, files
from rdpipe.common.errors import OutOfMemoryError, RdpipeError
from rdpipe.common.progress import Progress
from rdpipe.training import state as states
from rdpipe.training.engine import tuned_process
from rdpipe.training.pack import (
    Run,
    Trained,
    at_end,
    end_interval,
    ended,
    new_pack,
    note,
    trained,
)

Axes = tuple[tuple[str, Any], ...]
"""β and seed of a run, with their names."""
Wanted = TypeVar("Wanted")

_NO_MEMORY = re.compile("out of memory|ALLOC_FAILED")
STRETCH = 2.0  # seconds of steps between looks at the clock and at `stop`
STATE = "state.safetensors"  # in the folder of a run, if it is kept
LEAST_STRETCH = 32  # steps on a GPU, which loses time at every look


def train(images: np.ndarray, runs: Sequence[Run], *, iterations: int, **how: Any) -> list[Trained]:
    """Train R runs, and return them as they are after the last of some iterations.

    See `train_to` for the other arguments.
    """
    *_, (_, at_last) = train_to(images, runs, [iterations], **how)
    return at_last


def train_to(
    images: np.ndarray,
    runs: Sequence[Run],
    lengths: Sequence[int],
    *,
    arch: Mapping[str, Any],
    batch_size: int,
    learning_rate: float,
    precision: str,
    history_every: int,
    device: torch.device | str | None = None,
    state: Path | None = None,
    save_every: float = 180.0,
    stop: Callable[[], bool] = lambda: False,
    shorter: Sequence[Path] = (),
) -> Iterator[tuple[int, list[Trained]]]:
    """Train R runs with Adam on the objective D + β·penalty (paper, Equation 1 and Section 4.3).

    The runs are yielded after each of some numbers of iterations. What is yielded after n of them
    is what a training of n iterations ends with, to the last bit.

    Parameters
    ----------
    images
        Training part, uint8 (N, H, W, C).
    runs
        β and seed of each run. Those of one seed share initial weights, batches and noise.
    lengths
        Ascending numbers of Adam's steps after which the runs are wanted; the last is the end.
    arch
        What `networks.build` takes, "penalty" (see `objectives.Objective`) and
        "early_stopping": None, or the share of the examples to hold out (see the module).
    batch_size, learning_rate
        Examples in each step, and Adam's learning rate.
    precision
        "float32", "tf32", "bfloat16" or "float64" (see `precision.products` and `parameter_type`).
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
    shorter
        States of shorter trainings of these runs (`Trained.save_state`), all of one length. The
        training goes on from them if there is no later state.

    Yields
    ------
    int, list of Trained
        A length, and the runs in their order. One that diverges is a result too, and does not touch
        the others. Lengths before those of a state that the training goes on from are left out.

    Raises
    ------
    RdpipeError
        If there are fewer examples to train on than a batch takes, or the images are too small for
        the network; or if the training was stopped.
    OutOfMemoryError
        If so many runs do not fit the GPU's memory.
    """
    images, iterations = np.ascontiguousarray(images), lengths[-1]
    settings = {
        "arch": dict(arch), "image_shape": list(images.shape[1:]), "n_train": len(images),
        "iterations": iterations, "batch_size": batch_size, "learning_rate": learning_rate,
        "precision": precision,
    }  # fmt: skip
    place = torch.device(device or devices.choose())
    dtype = parameter_type(precision)
    with tuned_process(precision), _telling_of_memory(len(runs)):
        pack = new_pack(images, runs, arch, batch_size, learning_rate, dtype, place)
        if state:
            key = _key(images, runs, history_every, settings)
            states.resume(pack, state, key)
        if shorter and not pack.step:
            states.go_on(pack, shorter)
        progress = Progress(iterations, "training", done=pack.step)
        saved = time.monotonic()
        most = LEAST_STRETCH if place.type == "cuda" else history_every
        for length in [length for length in lengths if length >= pack.step]:
            while not ended(pack, length):
                before, start = pack.step, time.monotonic()
                steps = min(most, history_every - len(pack.values), length - before)
                note(pack, pack.engine.advance(before, steps, STRETCH))
                if place.type == "cuda":  # the engine does not wait for it; noting the values does
                    most = max(LEAST_STRETCH, int(steps * STRETCH / (time.monotonic() - start)))
                if len(pack.values) == history_every:
                    end_interval(pack)
                progress.update(pack.step - before)
                stopped = stop() and not ended(pack, iterations)
                if stopped:
                    if state:
                        states.save(pack, state, key)
                    raise _Stopped(pack.step, iterations, state)
                if state and time.monotonic() - saved >= save_every:
                    states.save_if_possible(pack, state, key)
                    saved = time.monotonic()
            if state and length == iterations:
                states.save_if_possible(pack, state, key)
            told, as_ended = settings | {"iterations": length}, at_end(pack)
            yield (
                length,
                [
                    replace(
                        trained(as_ended, i, run, told, history_every),
                        save_state=partial(states.save_run, pack, i),
                    )
                    for i, run in enumerate(runs)
                ],
            )


def train_wanted(
    images: np.ndarray,
    wanted: Mapping[Axes, Mapping[int, Wanted]],
    *,
    keep_states: bool = False,
    **how: Any,
) -> Iterator[tuple[Wanted, Callable[[Path], None]]]:
    """Train runs, each to the lengths at which it is wanted.

    Parameters
    ----------
    images
        Training part, uint8 (N, H, W, C).
    wanted
        By β and seed of each run, and by the number of iterations: what to yield there.
    keep_states
        Whether the states of the runs are written, too.
    how
        See `train_to` for the other arguments.

    Yields
    ------
    object, callable
        What is wanted, and the function that writes the run into a folder (see `write_run`). Call
        it before the next one is asked for.
    """
    lengths = sorted({length for of_run in wanted.values() for length in of_run})
    for length, runs in train_to(images, [Run(**dict(axes)) for axes in wanted], lengths, **how):
        for of_run, run in zip(wanted.values(), runs, strict=True):
            if length in of_run:
                yield of_run[length], partial(write_run, run=run, keep_state=keep_states)


def parameter_type(precision: str) -> torch.dtype:
    """Type of parameters: float64 for float64, else float32, as other precisions round products."""
    return torch.float64 if precision == "float64" else torch.float32


def _key(
    images: np.ndarray, runs: Sequence[Run], history_every: int, settings: Mapping[str, Any]
) -> str:
    """What a state must have been saved with: the path says as much, but not in every caller."""
    rest = {
        "runs": [asdict(run) for run in runs], "history_every": history_every,
        "images": hashlib.sha256(images.data).hexdigest(),
    }  # fmt: skip
    return json.dumps({**settings, **rest}, sort_keys=True)


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


class _Stopped(RdpipeError):
    """A training was stopped as it was asked to."""

    def __init__(self, step: int, iterations: int, state: Path | None) -> None:
        kept = "saved: call again to go on from there" if state else "lost"
        super().__init__(f"stopped after {step:,} of {iterations:,} iterations, which are {kept}.")


def write_run(folder: Path, run: Trained, keep_state: bool = False) -> None:
    """Write model.safetensors, history.parquet and run.json; if asked, also its state."""
    import pandas as pd  # training itself needs only torch, numpy and safetensors

    save_file(run.parameters, folder / "model.safetensors")
    files.write_parquet(folder / "history.parquet", pd.DataFrame(run.history))
    files.write_json(folder / "run.json", run.record)
    if keep_state:
        run.save_state(folder / STATE)
