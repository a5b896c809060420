"""Checkpoints: runs on the way are those of trainings that end there."""

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json
from rdpipe.common.progress import Progress
from rdpipe.training import train as training
from rdpipe.training.pack import Run, Trained

from ._runs import CUDA, MLP, PRIORS, SETTINGS, STOPPED, assert_equal, diverge, train

RUNS = [Run(0.1, 0), Run(1.0, 1)]


def train_to(images: np.ndarray, lengths: list[int], **changes: Any) -> dict[int, list[Trained]]:
    settings = {**SETTINGS, **changes}
    del settings["iterations"]
    return dict(training.train_to(images, RUNS, lengths, **settings))


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("arch", [MLP, STOPPED, PRIORS["vamp"]], ids=["mlp", "stopped", "vamp"])
def test_a_checkpoint_is_the_end_of_a_shorter_training(
    images: np.ndarray, arch: dict[str, Any], device: str
) -> None:
    """Also within an interval of the history, of 20 iterations."""
    lengths = [7, 20, 50, 80]
    settings = {"arch": arch, "precision": "float32", "learning_rate": 1e-2, "device": device}
    found = train_to(images, lengths, **settings)
    assert list(found) == lengths
    for length, runs in found.items():
        for run, alone in zip(
            runs, train(images, RUNS, iterations=length, **settings), strict=True
        ):
            assert_equal(run, alone)
            assert run.record["iterations"] == length


@pytest.mark.parametrize("after", [3, 25, 50, 60])
def test_an_interrupted_training_goes_on_with_the_checkpoints_that_are_left(
    images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    lengths = [20, 50, 80]
    whole = train_to(images, lengths, arch=STOPPED, precision="float32")
    monkeypatch.setattr(training, "STRETCH", 0.0)  # one step each
    asked, state = count(1), tmp_path / "state.safetensors"
    how = {"arch": STOPPED, "precision": "float32", "state": state}
    with pytest.raises(RdpipeError, match=f"^stopped after {after} of 80"):
        train_to(images, lengths, stop=lambda: next(asked) == after, **how)
    rest = train_to(images, lengths, **how)
    assert list(rest) == [length for length in lengths if length >= after]
    for length, runs in rest.items():
        for run, expected in zip(runs, whole[length], strict=True):
            assert_equal(run, expected)


def test_each_run_is_written_at_the_lengths_at_which_it_is_wanted(
    images: np.ndarray, tmp_path: Path
) -> None:
    one, other = ((("beta", run.beta), ("seed", run.seed)) for run in RUNS)
    wanted = {one: {20: "one at 20", 50: "one at 50"}, other: {50: "other at 50"}}
    settings = {name: value for name, value in SETTINGS.items() if name != "iterations"}
    for name, write in training.train_wanted(images, wanted, **settings):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    found = {
        path.parent.name: (record["beta"], record["iterations"])
        for path in tmp_path.glob("*/run.json")
        for record in [read_json(path)]
    }
    assert found == {"one at 20": (0.1, 20), "one at 50": (0.1, 50), "other at 50": (1.0, 50)}
    assert not list(tmp_path.glob("*/state.safetensors"))


def test_a_run_that_diverges_later_is_sound_at_its_checkpoint(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(images, RUNS, iterations=30)
    diverge(monkeypatch, [float("nan"), 1.0], at=47)
    found = train_to(images, [30, 60, 80])
    for run, alone in zip(found[30], expected, strict=True):
        assert_equal(run, alone)
    assert [found[n][0].record["status"] for n in (30, 60, 80)] == [
        "finished", "diverged", "diverged",
    ]  # fmt: skip
    assert found[60][0].record["diverged_at"] == found[80][0].record["diverged_at"] == 47
    assert found[80][1].record["status"] == "finished"


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("arch", [MLP, STOPPED, PRIORS["flow"]], ids=["mlp", "stopped", "flow"])
def test_a_longer_training_goes_on_from_the_states_of_a_shorter_one(
    images: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arch: dict[str, Any],
    device: str,
) -> None:
    """Also from within an interval, and together with other runs than before."""
    settings = {"arch": arch, "precision": "float32", "learning_rate": 1e-2, "device": device}
    expected = train(images, RUNS, iterations=90, **settings)
    states = [tmp_path / "0", tmp_path / "1"]
    for run, path in zip(RUNS, states, strict=True):
        alone = [run] if device == "cpu" else RUNS
        train(images, alone, iterations=50, **settings)[alone.index(run)].save_state(path)
    taken = []
    monkeypatch.setattr(Progress, "update", lambda _, n: taken.append(n))
    for run, whole in zip(
        train_to(images, [90], shorter=states, **settings)[90], expected, strict=True
    ):
        assert_equal(run, whole)
    assert sum(taken) == 40
