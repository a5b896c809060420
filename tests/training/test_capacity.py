"""Capacity: how many runs are trained together, and that what is counted is what a step holds."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rdpipe.common import devices
from rdpipe.training import capacity
from rdpipe.training.engine import Engine
from rdpipe.training.objectives import Objective
from rdpipe.vae import costs, networks

from ._runs import MLP, SETTINGS

PAPER = {
    "mlp-1": {"kind": "mlp", "layers": 1, "width": 512, "latent": 10},
    "mlp-3": {"kind": "mlp", "layers": 3, "width": 512, "latent": 10},
    "cnn-1": {"kind": "cnn", "layers": 1, "channels": 64, "dense": 0, "latent": 10},
    "cnn-3": {"kind": "cnn", "layers": 3, "channels": 64, "dense": 0, "latent": 10},
}
PAPER |= {
    prior: PAPER["mlp-1"] | {"prior": {"kind": prior} | settings}
    for prior, settings in {
        "mixture": {"components": 500},
        "vamp": {"components": 500},
        "flow": {"layers": 6, "width": 64},
    }.items()
}


def test_a_cpu_takes_all_runs(images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job asks for the memory of a CPU beforehand."""
    monkeypatch.setattr(devices, "choose", lambda: torch.device("cpu"))
    assert capacity.capacity(images, **SETTINGS) == sys.maxsize


@pytest.mark.parametrize(("precision", "size"), [("float32", 4), ("tf32", 4), ("float64", 8)])
def test_a_gpu_takes_as_many_runs_as_fit_its_free_memory(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch, precision: str, size: int
) -> None:
    run = size * costs.numbers(networks.build(MLP, images.shape[1:]), 16)
    monkeypatch.setattr(devices, "choose", lambda: torch.device("cuda"))
    for free in (0, images.nbytes, 2 * run, 3.3 * run, 20 * run + images.nbytes, 1e9):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (int(free), 0))
        runs = capacity.capacity(images, **SETTINGS | {"precision": precision})

        def fits(count: int, free: float = free) -> bool:
            return images.nbytes + count * run <= capacity.MEMORY * int(free)

        assert runs == 1 or fits(runs)
        assert not fits(runs + 1)


class Held(TorchDispatchMode):
    """Counts the bytes of all tensors that are made under it and still in use."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, tuple[StorageWeakRef, int]] = {}
        self.most = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        result = function(*args, **(kwargs or {}))
        for tensor in filter(torch.is_tensor, tree_leaves(result)):
            storage = tensor.untyped_storage()
            self.live[storage.data_ptr()] = StorageWeakRef(storage), storage.nbytes()
        self.live = {at: held for at, held in self.live.items() if not held[0].expired()}
        self.most = max(self.most, sum(size for _, size in self.live.values()))
        return result


@pytest.mark.parametrize("arch", PAPER)
def test_what_a_run_is_counted_to_hold_is_what_its_steps_hold(arch: str) -> None:
    network, batch = networks.build(PAPER[arch], (32, 32, 3)), 64
    pixels = torch.zeros(500, 3072, dtype=torch.uint8)
    engine = Engine(network, Objective("rate", torch.ones(1), batch), pixels, [0], batch, 1e-3)
    engine.advance(0, 1)
    with Held() as step:
        engine.step()
    kept = [engine.vae.parameters, engine.exp_avg, engine.exp_avg_sq, engine.vae.parameters]
    numbers = step.most / 4 + sum(p.numel() for part in kept for p in part.values())
    # the last of `kept` stands for the state that early stopping keeps
    counted = costs.numbers(network, batch)
    assert counted > capacity.MEMORY * numbers, "a GPU would run out of memory"
    assert counted < 2.5 * numbers, "a GPU would be left half empty"
