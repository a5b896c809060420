"""Training: what a user may rely on, whatever is packed, interrupted or diverging."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from rdpipe import models, streams, training
from rdpipe.training import Run, Trained

CUDA = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
)
RATE = models.rate
BLOWS_UP = Run(-1e3, 0)  # at a learning rate of 0.5: a negative β rewards an infinite rate
SETTINGS: dict[str, Any] = {
    "arch": {"kind": "mlp", "layers": 2, "width": 16, "latent": 3},
    "iterations": 100,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "precision": "float64",
    "history_every": 20,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Models this small are slower on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """50 images of 4 x 4 x 3."""
    return np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)


def train(images: np.ndarray, runs: list[Run], **changes: Any) -> list[Trained]:
    """Train with the settings above, but for `changes`."""
    return training.train(images, runs, **SETTINGS | changes)


def assert_equal(a: Trained, b: Trained) -> None:
    """Both are the same to the last bit."""
    assert a.record == b.record
    for name, column in a.history.items():
        np.testing.assert_array_equal(column, b.history[name])
    for name, p in a.parameters.items():
        np.testing.assert_array_equal(p.numpy(), b.parameters[name].numpy())


# --- random streams -------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "batch_size"), [(1000, 128), (50, 128), (97, 7)])
def test_every_epoch_has_every_example_once(n: int, batch_size: int) -> None:
    chunks = [streams.rows(3, chunk, n, batch_size) for chunk in range(3)]
    rows = np.concatenate(chunks).ravel()
    epochs = rows[: len(rows) // n * n].reshape(-1, n)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(n), (len(epochs), 1)))
    assert not np.array_equal(epochs[0], epochs[1])


def test_streams_depend_on_the_seed() -> None:
    assert not np.array_equal(streams.rows(0, 0, 100, 8), streams.rows(1, 0, 100, 8))
    assert not np.array_equal(streams.noise(0, 0, 8, 2), streams.noise(1, 0, 8, 2))
    assert not np.array_equal(streams.noise(0, 0, 8, 2), streams.noise(0, 1, 8, 2))


def test_noise_is_standard_normal() -> None:
    noise = streams.noise(0, 0, 128, 10)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.01 and noise.var() == pytest.approx(1, abs=0.01)


def test_batches_are_the_same_from_any_step_on() -> None:
    pixels = torch.randint(0, 256, (40, 12), dtype=torch.uint8)

    def batches(step: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return training.batches(pixels, [4, 2, 4], 8, 3, torch.float32, step)

    step = streams.CHUNK - 2
    late, early = batches(step), batches(0)
    for _ in range(step):
        next(early)
    for _ in range(5):
        for a, b in zip(next(late), next(early), strict=True):
            assert torch.equal(a, b) and torch.equal(a[0], a[2]) and not torch.equal(a[0], a[1])


# --- arithmetic -----------------------------------------------------------------------------------


class PlainVAE(nn.Module):
    """A β-VAE as one would write it for one run."""

    def __init__(self, arch: dict[str, int], pixels: int) -> None:
        super().__init__()
        layers, width = arch["layers"], arch["width"]
        sizes = [pixels] + layers * [width]
        self.encoder = nn.ModuleList(nn.Linear(sizes[i], width) for i in range(layers))
        self.mean = nn.Linear(width, arch["latent"])
        self.log_variance = nn.Linear(width, arch["latent"])
        sizes = [arch["latent"]] + layers * [width]
        self.decoder = nn.ModuleList(nn.Linear(sizes[i], width) for i in range(layers))
        self.output = nn.Linear(width, pixels)

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, ...]:
        h = x
        for layer in self.encoder:
            h = F.relu(layer(h))
        mean, log_variance = self.mean(h), self.log_variance(h)
        h = mean + torch.exp(log_variance / 2) * noise
        for layer in self.decoder:
            h = F.relu(layer(h))
        return self.output(h), mean, log_variance


def plain_training(images: np.ndarray, run: Run) -> tuple[PlainVAE, np.ndarray]:
    """The model and the (iterations, 2) values of D and R of an ordinary loop in float64."""
    arch, batch_size = SETTINGS["arch"], SETTINGS["batch_size"]
    model = PlainVAE(arch, images[0].size).double()
    initial = models.initial_parameters(arch, images.shape[1:], [run.seed])
    model.load_state_dict(
        {name: p[0].T if "weight" in name else p[0, 0] for name, p in initial.items()}
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=SETTINGS["learning_rate"])
    rows = streams.rows(run.seed, 0, len(images), batch_size)
    noise = streams.noise(run.seed, 0, batch_size, arch["latent"])
    values = []
    for step in range(SETTINGS["iterations"]):
        x = torch.from_numpy(images[rows[step]] / 255).flatten(1)
        logits, mean, log_variance = model(x, torch.from_numpy(noise[step]).double())
        d = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / batch_size
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)
        r = kl.sum() / batch_size
        optimizer.zero_grad()
        (d + run.beta * r).backward()
        optimizer.step()
        values.append((d.item(), r.item()))
    return model, np.array(values)


def test_training_is_an_ordinary_training(images: np.ndarray) -> None:
    run = Run(0.3, 7)
    model, values = plain_training(images, run)
    (ours,) = train(images, [run])
    for name, p in model.state_dict().items():
        theirs = p.T if "weight" in name else p[None]
        torch.testing.assert_close(ours.parameters[name], theirs, rtol=1e-9, atol=1e-12)
    means = values.reshape(5, 20, 2).mean(1)
    np.testing.assert_array_equal(ours.history["iteration"], [20, 40, 60, 80, 100])
    np.testing.assert_allclose(ours.history["distortion"], means[:, 0], rtol=1e-10)
    np.testing.assert_allclose(ours.history["rate"], means[:, 1], rtol=1e-10)
    objective = means[:, 0] + run.beta * means[:, 1]
    np.testing.assert_allclose(ours.history["objective"], objective, rtol=1e-10)


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(
    "runs",
    [
        [Run(0.001, 0), Run(1.0, 0), Run(5.0, 0)],
        [Run(1.0, 0), Run(1.0, 1)],
        [Run(0.1, 2), Run(5.0, 0), Run(1.0, 2), Run(0.1, 0)],
    ],
    ids=["betas", "seeds", "both"],
)
def test_packed_runs_equal_single_ones(images: np.ndarray, runs: list[Run], device: str) -> None:
    for run, packed in zip(runs, train(images, runs, device=device), strict=True):
        (single,) = train(images, [run])
        assert packed.record == single.record
        for name, p in single.parameters.items():
            torch.testing.assert_close(packed.parameters[name], p, rtol=1e-9, atol=1e-12)
        for name, column in single.history.items():
            np.testing.assert_allclose(packed.history[name], column, rtol=1e-10)


def test_training_learns(images: np.ndarray) -> None:
    (trained,) = train(images[:8], [Run(0.01, 0)], iterations=400, learning_rate=1e-2)
    assert trained.history["distortion"][-1] < 0.9 * trained.history["distortion"][0]


def test_last_interval_of_the_history_may_be_shorter(images: np.ndarray) -> None:
    (trained,) = train(images, [Run(1.0, 0)], iterations=50)
    np.testing.assert_array_equal(trained.history["iteration"], [20, 40, 50])


def test_subnormal_numbers_are_flushed_during_training_only(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def product() -> float:
        return float(torch.tensor(1e-30) * torch.tensor(1e-10))

    during = []
    monkeypatch.setattr(training.Progress, "update", lambda *_: during.append(product()))
    train(images, [Run(1.0, 0)], iterations=20)
    assert during == [0.0] and product() > 0


def test_training_needs_only_torch_numpy_and_safetensors() -> None:
    others = ("pandas", "pyarrow", "matplotlib", "PIL", "pydantic", "snakemake", "yaml")
    code = f"import sys; sys.modules |= dict.fromkeys({others}); import rdpipe.training"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- divergence -----------------------------------------------------------------------------------


def diverge(monkeypatch: pytest.MonkeyPatch, factor: list[float], at: int) -> None:
    """Multiply the runs' rates, and with them their gradients, by `factor` in iteration `at`."""
    iteration = count(1)

    def rate(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        r = RATE(mean, log_variance)
        return r * torch.tensor(factor)[:, None] if next(iteration) == at else r

    monkeypatch.setattr(models, "rate", rate)


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
    kept = 46 // history_every
    assert len(diverged.history["iteration"]) == kept
    for name, column in diverged.history.items():
        np.testing.assert_array_equal(column, expected[1].history[name][:kept])
    assert diverged.parameters["output.weight"].isnan().all()


def test_a_training_that_blows_up_diverges(images: np.ndarray) -> None:
    (trained,) = train(images, [BLOWS_UP], learning_rate=0.5)
    assert trained.record["status"] == "diverged"


def test_training_stops_when_all_runs_have_diverged(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    monkeypatch.setattr(training.Progress, "update", lambda _, n: steps.append(n))
    (trained,) = train(images, [Run(float("nan"), 0)])
    assert trained.record["diverged_at"] == 2 and len(trained.history["iteration"]) == 0
    assert steps == [20]


# --- interruption ---------------------------------------------------------------------------------


class Interruption(Exception):
    """Stands for whatever ends a job in mid-training."""


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the next training end after some intervals of its history."""
    done = []

    def update(_: Any, n: int) -> None:
        done.append(n)
        if len(done) > after:
            raise Interruption

    monkeypatch.setattr(training.Progress, "update", update)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_resumed_equals_uninterrupted_bit_for_bit(
    images: np.ndarray, tmp_path: Path, precision: str, device: str
) -> None:
    runs = [Run(0.1, 0), BLOWS_UP, Run(1.0, 1)]
    changes = {
        "precision": precision, "device": device, "iterations": 700, "learning_rate": 0.5,
    }  # fmt: skip
    expected = train(images, runs, **changes)
    settings = changes | {"state": tmp_path / "state.safetensors", "save_every": 0.0}
    for after in (10, 7):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Interruption):
            interrupt(patch, after)
            train(images, runs, **settings)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.Progress, "update", lambda _, n: seen.append(n))
        resumed = train(images, runs, **settings)
    assert sum(seen) == 700 - 17 * 20
    for a, b in zip(resumed, expected, strict=True):
        assert_equal(a, b)
    assert list(tmp_path.iterdir()) == [tmp_path / "state.safetensors"]


def test_state_of_a_finished_training_is_its_result(images: np.ndarray, tmp_path: Path) -> None:
    runs, state = [Run(0.1, 0), Run(float("nan"), 0)], tmp_path / "state.safetensors"
    first = train(images, runs, state=state)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 0)
        again = train(images, runs, state=state)
    for a, b in zip(first, again, strict=True):
        assert_equal(a, b)


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


# --- files ----------------------------------------------------------------------------------------


def test_write_run(images: np.ndarray, tmp_path: Path) -> None:
    (trained,) = train(images, [Run(0.5, 3)], precision="float32")
    training.write_run(tmp_path, trained)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["history.parquet", "model.safetensors", "run.json"]
    assert json.loads((tmp_path / "run.json").read_text()) == {
        "arch": SETTINGS["arch"], "image_shape": [4, 4, 3], "beta": 0.5, "seed": 3, "n_train": 50,
        "iterations": 100, "batch_size": 16, "learning_rate": 0.001, "precision": "float32",
        "status": "finished", "diverged_at": None,
    }  # fmt: skip
    parameters = load_file(tmp_path / "model.safetensors")
    assert parameters["encoder.0.weight"].shape == (48, 16)
    assert parameters["encoder.0.bias"].shape == (1, 16)
    assert all(p.dtype == torch.float32 for p in parameters.values())
    history = pd.read_parquet(tmp_path / "history.parquet")
    assert list(history) == ["iteration", "distortion", "rate", "objective"]
    assert [str(t) for t in history.dtypes] == ["int64"] + 3 * ["float64"]


def test_write_run_of_a_diverged_run(images: np.ndarray, tmp_path: Path) -> None:
    (trained,) = train(images, [BLOWS_UP], learning_rate=0.5)
    training.write_run(tmp_path, trained)
    assert len(pd.read_parquet(tmp_path / "history.parquet")) == 0
