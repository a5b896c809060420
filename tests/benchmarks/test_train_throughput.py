"""The benchmark of training: that all contenders do the same work, and how its bound is counted."""

import importlib

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rdpipe.vae import models
from tests import ROOT

BENCHMARKS = ROOT / "benchmarks"
ARCHS = ("mlp-1", "mlp-3", "cnn-1", "cnn-3")


@pytest.fixture
def contenders(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("_contenders")


@pytest.fixture
def throughput(contenders):
    return importlib.import_module("train_throughput")


@pytest.mark.parametrize(
    "method",
    ["products", "sums", "own products", "own Adam", "own loss", "plain loop", "vmap", "rdpipe"],
)
def test_each_contender_takes_steps(contenders, method):
    task = contenders.Task(method, "mlp-1", 2, "float32", torch.device("cpu"))
    contenders.METHODS[method](task)(2)


def test_pythae_takes_steps(contenders):
    pytest.importorskip("pythae")
    task = contenders.Task("pythae", "mlp-1", 1, "float32", torch.device("cpu"))
    contenders.METHODS["pythae"](task)(2)


@pytest.mark.parametrize("arch", ARCHS)
def test_the_plain_model_is_the_engines(contenders, arch):
    network = contenders.build(arch)
    engine = models.initial_parameters(network, [0])
    plain = contenders.PlainVAE(network)
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in engine.values())
    logits, mean, log_variance = plain(torch.rand(2, 3, 32, 32))
    assert (logits.shape, mean.shape, log_variance.shape) == ((2, 3, 32, 32), (2, 10), (2, 10))


def test_bounds_of_the_one_layer_mlp(contenders, throughput):
    network = contenders.build("mlp-1")
    # 3072 × 512 twice, 512 × 30; forward and two gradients, but one for the first
    multiplications = 3 * (2 * 3072 * 512 + 512 * 30) - 3072 * 512
    assert throughput.gflop(network) == pytest.approx(2 * 128 * multiplications / 1e9)
    parameters = (3072 + 1) * 512 + 2 * (512 + 1) * 10 + (10 + 1) * 512 + (512 + 1) * 3072
    moved = 4 * (10 * parameters - (3072 + 1) * 512)
    assert throughput.gigabytes(network, 4) == pytest.approx(moved / 1e9)


@pytest.mark.parametrize("arch", ARCHS)
def test_gflop_are_those_that_torch_counts(contenders, throughput, arch):
    network = contenders.build(arch)
    model, x = contenders.PlainVAE(network), torch.rand(contenders.BATCH, 3, 32, 32)
    with FlopCounterMode(display=False) as counter:
        contenders.loss(model, x, 1.0).backward()
    assert throughput.gflop(network) == pytest.approx(counter.get_total_flops() / 1e9)
