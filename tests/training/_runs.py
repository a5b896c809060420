"""Small trainings that the tests of this folder share."""

from itertools import count
from typing import Any

import numpy as np
import pytest
import torch

from rdpipe.common.progress import Progress
from rdpipe.training import train as training
from rdpipe.training.pack import Run, Trained
from rdpipe.vae.models import VAE

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.cuda,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    ],
)
MLP: dict[str, Any] = {
    "kind": "mlp", "layers": 2, "width": 16, "latent": 3, "penalty": "rate", "early_stopping": None,
}  # fmt: skip
PRIORS = {
    "mixture": MLP | {"prior": {"kind": "mixture", "components": 5}},
    "vamp": MLP | {"prior": {"kind": "vamp", "components": 5}},
    "flow": MLP | {"prior": {"kind": "flow", "layers": 3, "width": 4}},
}
LIKELIHOODS = {name: MLP | {"likelihood": name} for name in ("continuous_bernoulli", "gaussian")}
OWN = PRIORS | LIKELIHOODS
ABLATIONS = [MLP | {"penalty": penalty} for penalty in ("mutual_information", "marginal_kl")]
CNN = {**MLP, "kind": "cnn", "layers": 2, "channels": 4, "dense": 0}
STOPPED = MLP | {"early_stopping": 0.3}
MIXED = [Run(0.1, 2), Run(5.0, 0), Run(1.0, 2), Run(0.1, 0)]
BLOWS_UP = Run(-1e3, 0)  # at a learning rate of 0.5: a negative β rewards an infinite rate
SETTINGS: dict[str, Any] = {
    "arch": MLP,
    "iterations": 100,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "precision": "float64",
    "history_every": 20,
    "device": "cpu",
}
RATE = VAE.rate


def train(images: np.ndarray, runs: list[Run], **changes: Any) -> list[Trained]:
    """Train with the settings above, but for `changes`."""
    return training.train(images, runs, **SETTINGS | changes)


def assert_equal(a: Trained, b: Trained) -> None:
    """Both are the same to the last bit."""
    assert a.record == b.record
    assert a.history.keys() == b.history.keys()
    for name, column in a.history.items():
        np.testing.assert_array_equal(column, b.history[name])
    assert a.parameters.keys() == b.parameters.keys()
    for name, p in a.parameters.items():
        np.testing.assert_array_equal(p.numpy(), b.parameters[name].numpy())


def diverge(monkeypatch: pytest.MonkeyPatch, factor: list[float], at: int) -> None:
    """Multiply the runs' rates, and with them their gradients, by `factor` in iteration `at`."""
    calls = count(len(factor))

    def rate(vae: VAE, mean: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        assert len(mean) == 1  # the runs take turns
        iteration, run = divmod(next(calls), len(factor))
        return RATE(vae, mean, *rest) * (factor[run] if iteration == at else 1.0)

    monkeypatch.setattr(VAE, "rate", rate)


class Interruption(Exception):
    """Stands for whatever ends a job in mid-training."""


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the next training end after some intervals of its history."""
    done = []

    def update(_: Any, n: int) -> None:
        done.append(n)
        if len(done) > after:
            raise Interruption

    monkeypatch.setattr(Progress, "update", update)
