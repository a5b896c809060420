"""Training: what a user may rely on, whatever is packed, interrupted or diverging."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from rdpipe.common.errors import OutOfMemoryError, RdpipeError
from rdpipe.common.precision import products
from rdpipe.training import early_stopping, objectives
from rdpipe.training import train as training
from rdpipe.training.engine import Engine
from rdpipe.training.objectives import Objective
from rdpipe.training.train import Run, Trained
from rdpipe.vae import models, networks, streams

CUDA = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
)
RATE = models.rate
BLOWS_UP = Run(-1e3, 0)  # at a learning rate of 0.5: a negative β rewards an infinite rate
MLP: dict[str, Any] = {
    "kind": "mlp", "layers": 2, "width": 16, "latent": 3, "penalty": "rate", "early_stopping": None,
}  # fmt: skip
ABLATIONS = [MLP | {"penalty": penalty} for penalty in ("mutual_information", "marginal_kl")]
CNN = {**MLP, "kind": "cnn", "layers": 2, "channels": 4, "dense": 0}
STOPPED = MLP | {"early_stopping": 0.3}
MIXED = [Run(0.1, 2), Run(5.0, 0), Run(1.0, 2), Run(0.1, 0)]
SETTINGS: dict[str, Any] = {
    "arch": MLP,
    "iterations": 100,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "precision": "float64",
    "history_every": 20,
    "device": "cpu",
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


def engine(images: np.ndarray, seeds: list[int]) -> Engine:
    """An engine before its first step."""
    network = networks.build(MLP, images.shape[1:])
    beta = torch.linspace(0.1, 2, len(seeds), dtype=torch.float64)
    pixels = torch.from_numpy(images).flatten(1)
    return Engine(Objective(network, "rate", beta, len(pixels)), pixels, seeds, 8, 1e-3)


def test_batches_are_those_of_the_streams(images: np.ndarray) -> None:
    """From any step on, in any stretches, across chunks."""
    steps = streams.CHUNK - 2
    pack = engine(images, [4, 2, 4])
    seen = []
    pack._step = lambda: (seen.append(pack.batch()), pack._at.add_(1))  # type: ignore[method-assign]
    pack.advance(steps, 3)
    pack.advance(steps + 3, 2)
    for (x, noise), step in zip(seen, range(steps, steps + 5), strict=True):
        chunk, at = divmod(step, streams.CHUNK)
        for i, seed in enumerate([4, 2]):
            rows = streams.rows(seed, chunk, len(images), 8)[at]
            np.testing.assert_array_equal(x[i].numpy(), images[rows].reshape(8, -1) / 255)
            np.testing.assert_array_equal(noise[i].numpy(), streams.noise(seed, chunk, 8, 3)[at])


class Replayed:
    """What a CUDA graph does, on a CPU."""

    def __init__(self, pack: Engine, steps: int) -> None:
        self.pack, self.steps, self.count = pack, steps, 0

    def replay(self) -> None:
        self.count += 1
        for _ in range(self.steps):
            self.pack._step()


def test_captured_steps_are_the_steps(images: np.ndarray) -> None:
    plain, captured = engine(images, [0, 1]), engine(images, [0, 1])
    graphs = {steps: Replayed(captured, steps) for steps in (32, 1)}
    captured._graphs = list(graphs.items())  # type: ignore[arg-type]
    for step, steps in ((0, 70), (70, streams.CHUNK)):
        assert torch.equal(plain.advance(step, steps), captured.advance(step, steps))
    # 70 = 2·32 + 6; then the chunk has 186 = 5·32 + 26 left, and the next gives 70 again
    assert graphs[32].count == 2 + 5 + 2 and graphs[1].count == 6 + 26 + 6
    for name, p in plain.parameters.items():
        assert torch.equal(p, captured.parameters[name])


def test_steps_are_taken_one_by_one_where_graphs_fail(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With all of CUDA that the engine calls by name replaced, on a CPU."""

    @contextmanager
    def graph(*_: Any, **__: Any) -> Iterator[None]:
        """Torch's own, of a capture that something has invalidated."""
        try:
            raise RuntimeError("not permitted when stream is capturing")
        finally:
            raise RuntimeError("failed due to a previous error during capture")
        yield

    stream = SimpleNamespace(wait_stream=lambda _: None)
    left = []
    for name, stand_in in {
        "Stream": lambda: stream, "current_stream": lambda: stream, "set_stream": left.append,
        "stream": nullcontext, "graph_pool_handle": tuple, "CUDAGraph": object, "graph": graph,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, stand_in)
    plain, failing = engine(images, [0, 1]), engine(images, [0, 1])
    failing._capturable = True
    assert torch.equal(failing.advance(0, 40), plain.advance(0, 40))
    assert "not permitted when stream is capturing" in caplog.text
    assert left == [stream] and len(caplog.records) == 1


# --- arithmetic -----------------------------------------------------------------------------------


class PlainVAE(nn.Module):
    """A β-VAE as one would write it for one run."""

    def __init__(self, arch: dict[str, Any], pixels: int) -> None:
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
    initial = models.initial_parameters(networks.build(arch, images.shape[1:]), [run.seed])
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
    np.testing.assert_array_equal(ours.history["penalty"], ours.history["rate"])


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(
    ("arch", "runs"),
    [
        (MLP, [Run(0.001, 0), Run(1.0, 0), Run(5.0, 0)]),
        (MLP, [Run(1.0, 0), Run(1.0, 1)]),
        (MLP, MIXED),
        (CNN, MIXED),
        (STOPPED, MIXED),
        *((arch, MIXED) for arch in ABLATIONS),
    ],
    ids=["betas", "seeds", "both", "cnn", "early stopping", "no marginal KL", "no MI"],
)
def test_packed_runs_equal_single_ones(
    images: np.ndarray, arch: dict[str, Any], runs: list[Run], device: str
) -> None:
    for run, packed in zip(runs, train(images, runs, arch=arch, device=device), strict=True):
        (single,) = train(images, [run], arch=arch)
        assert packed.record == single.record
        for name, p in single.parameters.items():
            torch.testing.assert_close(packed.parameters[name], p, rtol=1e-9, atol=1e-12)
        for name, column in single.history.items():
            np.testing.assert_allclose(packed.history[name], column, rtol=1e-10)


@pytest.mark.parametrize("arch", [MLP, CNN, STOPPED, *ABLATIONS])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_a_cpu_packing_changes_no_bit(
    images: np.ndarray, arch: dict[str, Any], precision: str
) -> None:
    settings = {"arch": arch, "precision": precision}
    for run, packed in zip(MIXED, train(images, MIXED, **settings), strict=True):
        assert_equal(packed, train(images, [run], **settings)[0])


def test_training_learns(images: np.ndarray) -> None:
    (trained,) = train(images[:16], [Run(0.01, 0)], iterations=400, learning_rate=1e-2)
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
    code = f"import sys; sys.modules |= dict.fromkeys({others}); import rdpipe.training.train"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("arch", ABLATIONS, ids=["no marginal KL", "no MI"])
def test_an_ablation_lowers_the_term_that_is_left(images: np.ndarray, arch: dict[str, Any]) -> None:
    weak, strong = train(images, [Run(0.01, 0), Run(5.0, 0)], arch=arch, iterations=300)
    for trained in (weak, strong):
        history, beta = trained.history, trained.record["beta"]
        np.testing.assert_allclose(
            history["objective"], history["distortion"] + beta * history["penalty"]
        )
    assert strong.history["penalty"][-1] < 0.5 * weak.history["penalty"][-1]


@pytest.mark.parametrize("share", [None, 0.3])
def test_fewer_examples_than_a_batch_is_an_error(images: np.ndarray, share: float | None) -> None:
    arch = MLP | {"early_stopping": share}
    left = 20 if share is None else 14
    train(images[:20], [Run(1.0, 0)], arch=arch, batch_size=left, iterations=1)
    with pytest.raises(
        RdpipeError, match=rf"^{left} of 20 training examples .* batch of {left + 1}"
    ):
        train(images[:20], [Run(1.0, 0)], arch=arch, batch_size=left + 1)


# --- early stopping -------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "sizes"), [(0.1, [100]), (0.35, [117, 117, 116]), (1e-4, [1])])
def test_held_out_examples_are_whole_batches_of_the_others(share: float, sizes: list[int]) -> None:
    pixels = torch.arange(3000).view(1000, 3)  # more than uint8 holds, to tell the rows apart
    kept_in, held_out = early_stopping.hold_out(pixels, share, batch_size=128, latent=4)
    assert [len(batch) for batch in held_out.pixels] == sizes
    assert [batch.shape for batch in held_out.noise] == [(size, 4) for size in sizes]
    rows = torch.cat([kept_in, *held_out.pixels])
    assert torch.equal(rows[rows[:, 0].argsort()], pixels)


def test_validation_is_the_objective_on_all_held_out_examples(images: np.ndarray) -> None:
    pixels = torch.from_numpy(images).flatten(1)
    _, held_out = early_stopping.hold_out(pixels, 0.7, batch_size=16, latent=3)  # 12, 12 and 11
    network = networks.build(MLP, images.shape[1:])
    initial = models.initial_parameters(network, [0, 1])
    parameters = {name: p.double().requires_grad_() for name, p in initial.items()}
    beta = torch.tensor([0.5, 2.0], dtype=torch.float64)
    objective = Objective(network, "rate", beta, 15)
    x, noise = (torch.cat(part).double()[None] for part in (held_out.pixels, held_out.noise))
    d, r, _ = objectives.terms(objective, parameters, x / 255, noise)  # of all in one batch
    values = early_stopping.validate(objective, parameters, held_out)
    torch.testing.assert_close(values, (d + beta * r).detach())
    assert not values.requires_grad


def overfit(images: np.ndarray, runs: list[Run], **changes: Any) -> list[Trained]:
    """Train with early stopping for so long that it matters."""
    settings = {"arch": STOPPED, "learning_rate": 1e-2, "iterations": 300}
    return train(images, runs, **settings | changes)


def test_the_state_with_the_lowest_validation_objective_is_kept(images: np.ndarray) -> None:
    runs = [Run(0.001, 0), Run(5.0, 0)]
    kept_at = []
    for i, trained in enumerate(overfit(images, runs)):
        history = trained.history
        assert trained.record["status"] == "finished" and trained.record["n_train"] == 50
        kept_at.append(trained.record["kept_at"])
        assert kept_at[i] == history["iteration"][history["validation"].argmin()]
        # a training that ends there ends with this state
        ended = overfit(images, runs, iterations=kept_at[i])[i]
        assert ended.record["kept_at"] == kept_at[i]
        for name, p in ended.parameters.items():
            np.testing.assert_array_equal(p.numpy(), trained.parameters[name].numpy())
    assert kept_at[0] != kept_at[1] and max(kept_at) < 300


def test_held_out_examples_are_not_trained_on(images: np.ndarray) -> None:
    before, after = images.copy(), images.copy()
    rows = torch.arange(50)[:, None]
    _, held_out = early_stopping.hold_out(rows, 0.3, batch_size=16, latent=3)
    after[held_out.pixels[0].ravel()] //= 2
    (a,), (b,) = (overfit(part, [Run(0.1, 0)], iterations=60) for part in (before, after))
    for name in ("distortion", "rate", "penalty", "objective"):
        np.testing.assert_array_equal(a.history[name], b.history[name])
    assert np.all(a.history["validation"] != b.history["validation"])


def test_without_early_stopping_nothing_is_validated(images: np.ndarray) -> None:
    (trained,) = train(images, [Run(1.0, 0)])
    assert "validation" not in trained.history


# --- divergence -----------------------------------------------------------------------------------


def diverge(monkeypatch: pytest.MonkeyPatch, factor: list[float], at: int) -> None:
    """Multiply the runs' rates, and with them their gradients, by `factor` in iteration `at`."""
    calls = count(len(factor))

    def rate(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        assert len(mean) == 1  # the runs take turns
        iteration, run = divmod(next(calls), len(factor))
        return RATE(mean, log_variance) * (factor[run] if iteration == at else 1.0)

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


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(
    ("arch", "learning_rate", "precision"),
    # early stopping keeps states of before and between the interruptions
    [
        *((MLP, 0.5, "float32"), (MLP, 0.5, "float64"), (CNN, 0.5, "float32")),
        (STOPPED, 1e-2, "float32"),
    ],
)
def test_resumed_equals_uninterrupted_bit_for_bit(
    images: np.ndarray,
    tmp_path: Path,
    arch: dict[str, Any],
    learning_rate: float,
    precision: str,
    device: str,
) -> None:
    runs = [Run(0.1, 0), BLOWS_UP, Run(1.0, 1)]
    changes = {
        "arch": arch, "learning_rate": learning_rate, "precision": precision, "device": device,
        "iterations": 400,
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
    assert sum(seen) == 400 - 17 * 20
    for a, b in zip(resumed, expected, strict=True):
        assert_equal(a, b)
    assert list(tmp_path.iterdir()) == [tmp_path / "state.safetensors"]


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


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.OutOfMemoryError("tried to allocate 2 GiB"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
    ],
)
def test_out_of_memory_is_told(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch, error: RuntimeError, told: bool
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Engine, "advance", fail)
    with pytest.raises(OutOfMemoryError if told else RuntimeError) as raised:
        train(images, [Run(1.0, 0), Run(1.0, 1)])
    assert raised.value is error or f"memory than the GPU has free ({error})" in str(raised.value)


def test_capacity_counts_what_a_run_takes(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training.devices, "choose", lambda: torch.device("cpu"))
    assert training.capacity(images, **SETTINGS) == sys.maxsize  # a CPU's memory is asked for
    # weights, biases and what layers hand on, by hand
    sizes = [48, 16, 16, 6, 16, 16, 48]
    mlp = {"precision": "float32", "batch_size": 16, "arch": MLP}
    parameters = sum(a * b for a, b in zip([48, 16, 16, 3, 16, 16], sizes[1:], strict=True))
    parameters += sum(sizes[1:])
    each = 4 * (5 * parameters + 4 * 16 * sum(sizes[1:]))
    monkeypatch.setattr(training.devices, "choose", lambda: torch.device("cuda"))
    for free, runs in ((0, 1), (10.5 * each, 10)):
        monkeypatch.setattr(
            torch.cuda, "mem_get_info", lambda _, free=free: ((free + images.nbytes) / 0.8, 0)
        )
        assert training.capacity(images, **mlp) == runs


# --- precision ------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", [MLP | {"width": 64}, CNN], ids=["mlp", "cnn"])
def test_only_products_are_rounded(images: np.ndarray, arch: dict[str, Any]) -> None:
    (exact,), (rounded,) = (
        train(images, [Run(1.0, 0)], arch=arch, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    assert all(p.dtype == torch.float32 for p in rounded.parameters.values())
    np.testing.assert_allclose(rounded.history["objective"], exact.history["objective"], rtol=2e-3)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float64"])
def test_products_are_rounded_for_as_long_as_asked(precision: str) -> None:
    factors = torch.full((64, 64), 1 + 2**-9)  # one bit more than bfloat16 has
    exact = factors @ factors
    with products(precision):
        inside = factors @ factors
    assert torch.equal(factors @ factors, exact)
    if precision != "bfloat16":
        assert torch.equal(inside, exact)
    else:  # where the CPU can
        torch.testing.assert_close(inside, exact, rtol=2**-7, atol=0)


# --- files ----------------------------------------------------------------------------------------


def test_write_run(images: np.ndarray, tmp_path: Path) -> None:
    (trained,) = train(images, [Run(0.5, 3)], precision="float32")
    training.write_run(tmp_path, trained)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["history.parquet", "model.safetensors", "run.json"]
    assert json.loads((tmp_path / "run.json").read_text()) == {
        "arch": SETTINGS["arch"], "image_shape": [4, 4, 3], "beta": 0.5, "seed": 3, "n_train": 50,
        "iterations": 100, "batch_size": 16, "learning_rate": 0.001, "precision": "float32",
        "status": "finished", "diverged_at": None, "kept_at": 100,
    }  # fmt: skip
    parameters = load_file(tmp_path / "model.safetensors")
    assert parameters["encoder.0.weight"].shape == (48, 16)
    assert parameters["encoder.0.bias"].shape == (1, 16)
    assert all(p.dtype == torch.float32 for p in parameters.values())
    history = pd.read_parquet(tmp_path / "history.parquet")
    assert list(history) == ["iteration", "distortion", "rate", "penalty", "objective"]
    assert [str(t) for t in history.dtypes] == ["int64"] + 4 * ["float64"]


def test_write_run_of_a_diverged_run(images: np.ndarray, tmp_path: Path) -> None:
    (trained,) = train(images, [BLOWS_UP], learning_rate=0.5)
    training.write_run(tmp_path, trained)
    assert len(pd.read_parquet(tmp_path / "history.parquet")) == 0
