"""The engine: which batches it takes, CUDA graphs in place of steps, and the process it runs in.

Graphs are tested on a CPU, with those parts of CUDA replaced that the engine calls by name.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from rdpipe.common.progress import Progress
from rdpipe.training.engine import Engine, Group, tuned_process
from rdpipe.training.objectives import Objective
from rdpipe.training.pack import Run
from rdpipe.vae import networks, streams

from ._runs import MLP, train

WARM_UP = 3  # steps that are taken before any is captured


def engine(images: np.ndarray, seeds: list[int]) -> Engine:
    """An engine before its first step."""
    network = networks.build(MLP, images.shape[1:])
    beta = torch.linspace(0.1, 2, len(seeds), dtype=torch.float64)
    pixels = torch.from_numpy(images).flatten(1)
    return Engine(network, Objective("rate", beta, len(pixels)), pixels, seeds, 8, 1e-3)


def assert_equal(a: Engine, b: Engine) -> None:
    """Both engines are in the same state, to the last bit."""
    for part in ("exp_avg", "exp_avg_sq"):
        for name, moment in getattr(a, part).items():
            assert torch.equal(moment, getattr(b, part)[name])
    for name, p in a.vae.parameters.items():
        assert torch.equal(p, b.vae.parameters[name])


# --- batches --------------------------------------------------------------------------------------


def test_batches_are_those_of_the_streams(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From any step on, in any stretches, across chunks."""
    seen = []

    def take_step(group: Group, x: torch.Tensor, noise: torch.Tensor, _: float) -> torch.Tensor:
        seen.append((x, noise))
        return torch.zeros(3, len(group.objective.beta), dtype=torch.float64)

    monkeypatch.setattr(Group, "take_step", take_step)
    steps, pack = streams.CHUNK - 2, engine(images, [4, 2, 4])
    pack.advance(steps, 3)
    pack.advance(steps + 3, 2)
    seen = seen[:: len(pack.groups)]  # the runs take turns within a step
    for (x, noise), step in zip(seen, range(steps, steps + 5), strict=True):
        chunk, at = divmod(step, streams.CHUNK)
        for i, seed in enumerate([4, 2]):
            rows = streams.rows(seed, chunk, len(images), 8)[at]
            np.testing.assert_array_equal(x[i].numpy(), images[rows].reshape(8, -1) / 255)
            np.testing.assert_array_equal(noise[i].numpy(), streams.noise(seed, chunk, 8, 3)[at])


def test_runs_take_the_batches_of_their_own_seeds(images: np.ndarray) -> None:
    values = engine(images, [4, 2, 4]).advance(0, 1)[0]  # (3, R)
    alone = [engine(images, [seed]).advance(0, 1)[0] for seed in (4, 2)]
    for run, expected in zip(values.T, (alone[0], alone[1], alone[0]), strict=True):
        assert torch.equal(run, expected[:, 0])


def test_steps_taken_in_stretches_are_the_steps_taken_at_once(images: np.ndarray) -> None:
    at_once, stretches = engine(images, [0, 1]), engine(images, [0, 1])
    expected = at_once.advance(0, 20)
    assert expected.shape == (20, 3, 2)
    values = [stretches.advance(0, 1), stretches.advance(1, 12), stretches.advance(13, 7)]
    assert torch.equal(torch.cat(values), expected)
    assert_equal(at_once, stretches)


def test_a_stretch_that_is_out_of_time_takes_one_step(images: np.ndarray) -> None:
    assert len(engine(images, [0]).advance(0, 20, seconds=0.0)) == 1


# --- CUDA graphs ----------------------------------------------------------------------------------


class Graphs:
    """What CUDA does with graphs, on a CPU: steps in a capture are counted, and taken later."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.launched: list[int] = []  # steps of each graph that was launched
        self.stream = SimpleNamespace(wait_stream=lambda _: None)
        self.streams_set: list[Any] = []
        self.capturing: list[Engine] | None = None
        take = Engine.step

        def step(engine: Engine) -> None:
            if self.capturing is None:
                take(engine)
            else:
                self.capturing.append(engine)

        def replay(graph: Any) -> None:
            self.launched.append(len(graph.steps))
            for engine in graph.steps:
                take(engine)

        monkeypatch.setattr(Engine, "step", step)
        names = {
            "Stream": lambda: self.stream, "current_stream": lambda: self.stream,
            "set_stream": self.streams_set.append, "stream": nullcontext,
            "graph_pool_handle": tuple, "CUDAGraph": type("Graph", (), {"replay": replay}),
            "graph": self.capture,
        }  # fmt: skip
        for name, stand_in in names.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)

    @contextmanager
    def capture(self, graph: Any, **_: Any) -> Iterator[None]:
        self.capturing = graph.steps = []
        yield
        self.capturing = None


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Graphs:
    return Graphs(monkeypatch)


def capturing_engine(images: np.ndarray) -> Engine:
    """An engine that believes in CUDA."""
    pack = engine(images, [0, 1])
    assert not pack.capturable  # it is on a CPU
    pack.capturable = True
    return pack


def test_captured_steps_are_the_steps(images: np.ndarray, graphs: Graphs) -> None:
    plain, captured = engine(images, [0, 1]), capturing_engine(images)
    for step, steps in ((0, 70), (streams.CHUNK - 36, 72)):
        assert torch.equal(captured.advance(step, steps), plain.advance(step, steps))
    assert_equal(plain, captured)
    # 67 = 2·32 + 3 after the warm-up; then 36 = 32 + 4 in a chunk, and as many in the next
    assert graphs.launched == [32, 32, 1, 1, 1] + 2 * [32, 1, 1, 1, 1]
    assert sum(graphs.launched) + WARM_UP == 70 + 72


def test_nothing_is_captured_on_a_cpu(images: np.ndarray, graphs: Graphs) -> None:
    engine(images, [0]).advance(0, 40)
    assert not graphs.launched


def failing_capture(error: Exception) -> Any:
    """Torch's own capture, of steps that have failed."""

    @contextmanager
    def graph(*_: Any, **__: Any) -> Iterator[None]:
        try:
            raise error
        finally:
            raise RuntimeError("failed due to a previous error during capture")
        yield

    return graph


def test_steps_are_taken_one_by_one_where_graphs_fail(
    images: np.ndarray,
    graphs: Graphs,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = RuntimeError("not permitted when stream is capturing")
    monkeypatch.setattr(torch.cuda, "graph", failing_capture(error))
    plain, failing = engine(images, [0, 1]), capturing_engine(images)
    assert torch.equal(failing.advance(0, 40), plain.advance(0, 40))
    assert_equal(plain, failing)
    assert "not permitted when stream is capturing" in caplog.text
    assert len(caplog.records) == 1  # it is not tried again
    assert graphs.streams_set == [graphs.stream]
    assert not failing.capturable and not graphs.launched


def test_a_capture_without_memory_says_so(
    images: np.ndarray, graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "graph", failing_capture(torch.OutOfMemoryError("2 GiB")))
    with pytest.raises(torch.OutOfMemoryError, match="2 GiB"):
        capturing_engine(images).advance(0, 40)


# --- the process ----------------------------------------------------------------------------------


def test_subnormal_numbers_are_flushed_during_training_only(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def product() -> float:
        return float(torch.tensor(1e-30) * torch.tensor(1e-10))

    during = []
    monkeypatch.setattr(Progress, "update", lambda *_: during.append(product()))
    train(images, [Run(1.0, 0)], iterations=20)
    assert during == [0.0] and product() > 0


def test_convolutions_are_deterministic_during_training_only() -> None:
    cudnn = torch.backends.cudnn
    assert not cudnn.deterministic
    with pytest.raises(ZeroDivisionError), tuned_process("float32"):
        assert cudnn.deterministic
        raise ZeroDivisionError
    assert not cudnn.deterministic
