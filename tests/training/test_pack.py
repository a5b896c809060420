"""Packs: a run that diverges is a result, and leaves the others alone."""

import numpy as np
import pytest
import torch

from rdpipe.common.progress import Progress
from rdpipe.training.pack import Run

from ._runs import BLOWS_UP, SETTINGS, STOPPED, assert_equal, diverge, train


@pytest.mark.parametrize("history_every", [1, 20, 1000])
def test_divergence_is_a_result_and_leaves_the_pack_alone(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch, history_every: int
) -> None:
    runs = [Run(1.0, 0), Run(1.0, 0), Run(0.1, 1)]
    settings = {"precision": "float32", "history_every": history_every}
    expected = train(images, runs, **settings)
    diverge(monkeypatch, [1.0, float("nan"), 1.0], at=47)
    first, diverged, last = train(images, runs, **settings)
    assert_equal(first, expected[0])
    assert_equal(last, expected[2])
    assert first.record["status"] == "finished" and first.record["diverged_at"] is None

    assert diverged.record["status"] == "diverged" and diverged.record["diverged_at"] == 47
    assert diverged.record["kept_at"] is None and first.record["kept_at"] == 100
    kept = 46 // history_every
    assert len(diverged.history["iteration"]) == kept
    for name, column in diverged.history.items():
        np.testing.assert_array_equal(column, expected[1].history[name][:kept])
    assert diverged.parameters["output.weight"].isnan().all()


@pytest.mark.parametrize(("at", "kept_at"), [(47, 40), (7, None)])
def test_a_diverged_run_keeps_its_best_state_if_there_was_one(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch, at: int, kept_at: int | None
) -> None:
    runs = [Run(1.0, 0), Run(1.0, 0)]
    settings = {"arch": STOPPED, "precision": "float32"}
    expected = train(images, runs, **settings)
    (ended,) = train(images, runs[:1], **settings, iterations=40) if kept_at else expected[:1]
    looks = at // 20  # each is one more call of `rate`
    diverge(monkeypatch, [1.0, float("nan")], at=at + looks)
    first, diverged = train(images, runs, **settings)
    assert_equal(first, expected[0])
    assert {k: diverged.record[k] for k in ("status", "diverged_at", "kept_at")} == {
        "status": "diverged", "diverged_at": at, "kept_at": kept_at,
    }  # fmt: skip
    assert len(diverged.history["validation"]) == len(diverged.history["iteration"]) == looks
    for name, p in diverged.parameters.items():
        assert p.isnan().all() if kept_at is None else torch.allclose(p, ended.parameters[name])


def test_a_training_that_blows_up_diverges(images: np.ndarray) -> None:
    (trained,) = train(images, [BLOWS_UP], learning_rate=0.5)
    assert trained.record["status"] == "diverged"


def test_a_training_that_stands_still_as_its_moments_overflow_diverges(images: np.ndarray) -> None:
    sound, still = train(images, [Run(1.0, 0), Run(1e25, 0)], precision="float32")
    assert np.isfinite(still.history["distortion"]).all()
    assert still.record["status"] == "diverged"
    assert still.record["diverged_at"] == SETTINGS["iterations"]
    assert sound.record["status"] == "finished"


def test_training_stops_when_all_runs_have_diverged(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    monkeypatch.setattr(Progress, "update", lambda _, n: steps.append(n))
    (trained,) = train(images, [Run(float("nan"), 0)])
    assert trained.record["diverged_at"] == 2 and len(trained.history["iteration"]) == 0
    assert steps == [20]
