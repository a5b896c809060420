"""Saved states: an interrupted training ends as if it had never been interrupted."""

import logging
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError

from rdpipe.common.errors import RdpipeError
from rdpipe.common.progress import Progress
from rdpipe.training import train as training
from rdpipe.training.pack import Run

from ._runs import (
    BLOWS_UP,
    CNN,
    CUDA,
    MLP,
    OWN,
    STOPPED,
    Interruption,
    assert_equal,
    interrupt,
    train,
)


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(
    ("arch", "learning_rate", "precision", "intervals"),
    # early stopping keeps states of before and between the interruptions;
    # the longest training goes on in its second chunk of random numbers
    [
        (MLP, 0.5, "float32", (10, 4, 2)),
        (MLP, 0.5, "float64", (3, 2, 2)),
        (CNN, 0.5, "float32", (3, 1, 2)),
        (STOPPED, 1e-2, "float32", (3, 2, 2)),
        *((arch, 0.5, "float32", (1, 1, 1)) for arch in OWN.values()),
    ],
    ids=["mlp", "float64", "cnn", "early stopping", *OWN],
)
def test_resumed_equals_uninterrupted_bit_for_bit(
    images: np.ndarray,
    tmp_path: Path,
    arch: dict[str, Any],
    learning_rate: float,
    precision: str,
    intervals: tuple[int, int, int],
    device: str,
) -> None:
    """After two interruptions, with a run that diverges."""
    runs = [Run(0.1, 0), BLOWS_UP, Run(1.0, 1)]
    changes = {
        "arch": arch, "learning_rate": learning_rate, "precision": precision, "device": device,
        "iterations": 20 * sum(intervals),
    }  # fmt: skip
    expected = train(images, runs, **changes)
    assert expected[1].record["status"] == "diverged"
    settings = changes | {"state": tmp_path / "state.safetensors", "save_every": 0.0}
    *before, last = intervals
    for after in before:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Interruption):
            interrupt(patch, after)
            train(images, runs, **settings)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Progress, "update", lambda _, n: seen.append(n))
        resumed = train(images, runs, **settings)
    assert sum(seen) == 20 * last
    for a, b in zip(resumed, expected, strict=True):
        assert_equal(a, b)
    assert list(tmp_path.iterdir()) == [tmp_path / "state.safetensors"]


def test_a_state_with_a_flipped_bit_is_told_of_and_not_used(
    images: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state.safetensors"
    first = train(images, [Run(1.0, 0)], state=state)
    data = bytearray(state.read_bytes())
    data[-1] ^= 1
    state.write_bytes(data)
    (again,) = train(images, [Run(1.0, 0)], state=state)
    assert_equal(first[0], again)
    assert "state.safetensors was damaged after it had been saved" in caplog.text


@pytest.mark.parametrize("arch", [MLP, STOPPED], ids=["to the end", "early stopping"])
def test_state_of_a_finished_training_is_its_result(
    images: np.ndarray, tmp_path: Path, arch: dict[str, Any]
) -> None:
    runs, state = [Run(0.1, 0), Run(float("nan"), 0)], tmp_path / "state.safetensors"
    first = train(images, runs, arch=arch, state=state)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 0)
        again = train(images, runs, arch=arch, state=state)
    for a, b in zip(first, again, strict=True):
        assert_equal(a, b)


def test_no_clock_decides_what_comes_out(
    images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps are taken in stretches of a few seconds, saved and stopped between any two."""
    runs = [Run(0.1, 0), Run(float("nan"), 0), Run(1.0, 1)]
    settings = {"arch": STOPPED, "precision": "float32", "iterations": 50}
    expected = train(images, runs, **settings), train(images, runs[1:2], **settings)
    monkeypatch.setattr(training, "STRETCH", 0.0)  # one step each
    state, asked = tmp_path / "state.safetensors", count(1)
    for step in (7, 20, 33):
        with pytest.raises(RdpipeError, match=f"^stopped after {step} of 50 .* saved: call again"):
            train(images, runs, state=state, stop=lambda: next(asked) in (7, 20, 33), **settings)
    # asked once more after the last step: it is done, so there is nothing to stop
    resumed = train(images, runs, state=state, stop=lambda: next(asked) >= 50, **settings)
    assert next(asked) == 51
    for a, b in zip(
        (*resumed, *train(images, runs[1:2], **settings)), [*expected[0], *expected[1]], strict=True
    ):
        assert_equal(a, b)


def test_a_state_that_cannot_be_written_costs_no_training(
    images: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = {"state": tmp_path / "gone" / "state.safetensors", "save_every": 0.0}
    (trained,) = train(images, [Run(1.0, 0)], **nowhere)
    assert_equal(trained, train(images, [Run(1.0, 0)])[0])
    assert caplog.text.count("state.safetensors cannot be written") == 6
    with pytest.raises((OSError, SafetensorError)):  # what is told to stop would lose its work
        train(images, [Run(1.0, 0)], **nowhere, stop=lambda: True)


def test_stopped_without_a_state_is_lost(images: np.ndarray) -> None:
    with pytest.raises(RdpipeError, match=r"^stopped after 20 of 100 iterations, which are lost"):
        train(images, [Run(1.0, 0)], stop=lambda: True)


@pytest.mark.parametrize("change", ["runs", "settings", "images", "truncated", "garbage"])
def test_state_that_does_not_fit_is_ignored(
    images: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    runs, state = [Run(0.1, 0)], tmp_path / "state.safetensors"
    other = images[::-1] if change == "images" else images
    train(
        other,
        [Run(0.1, 1)] if change == "runs" else runs,
        state=state,
        learning_rate=1e-2 if change == "settings" else 1e-3,
    )
    if change == "truncated":
        state.write_bytes(state.read_bytes()[:-100])
    if change == "garbage":
        state.write_bytes(b"no tensors here")
    with caplog.at_level(logging.WARNING, "rdpipe"):
        (trained,) = train(images, runs, state=state)
    assert "training starts anew" in caplog.text
    assert_equal(trained, train(images, runs)[0])
