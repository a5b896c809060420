"""The benchmark of training: that all contenders do the same work, and how its bound is counted."""

import importlib
from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from rdpipe.vae import costs
from rdpipe.vae.models import VAE
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


class Operations(TorchDispatchMode):
    """Counts the calls of torch's operations, and the numbers in their first results."""

    def __init__(self):
        super().__init__()
        self.calls, self.numbers = Counter(), Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        self.calls[name] += 1
        if torch.is_tensor(result):
            self.numbers[name] += result.numel()
        return result


def steps_taken(contenders, method, runs, mode):
    """Let a contender take three steps, and then two more under a counter."""
    task = contenders.Task(method, "mlp-1", runs, "float32", torch.device("cpu"))
    advance = contenders.METHODS[method](task)
    advance(3)
    with mode:
        advance(2)
    return mode


@pytest.mark.parametrize(
    ("method", "runs"),
    [("plain loop", 1), ("own products", 2), ("vmap", 2), ("rdpipe", 1), ("rdpipe", 2)],
)
def test_all_contenders_do_the_same_products(contenders, throughput, method, runs):
    counter = steps_taken(contenders, method, runs, FlopCounterMode(display=False))
    expected = 2 * runs * throughput.gflop(contenders.build("mlp-1"))
    assert counter.get_total_flops() / 1e9 == pytest.approx(expected, rel=1e-9)


def test_pythae_does_no_fewer_products(contenders, throughput):
    pytest.importorskip("pythae")
    counter = steps_taken(contenders, "pythae", 1, FlopCounterMode(display=False))
    assert counter.get_total_flops() / 1e9 >= 2 * throughput.gflop(contenders.build("mlp-1"))


def test_the_bounds_do_what_their_names_say(contenders, monkeypatch):
    monkeypatch.setitem(contenders.PRODUCT_SIZE, "cpu", 64)
    counter = steps_taken(contenders, "products", 1, FlopCounterMode(display=False))
    assert counter.get_total_flops() == 2 * 2 * 64**3
    sums = steps_taken(contenders, "sums", 2, Operations())
    parameters = costs.parameters(contenders.build("mlp-1"))
    # two tensors, as large as parameters, gradients and both moments of both runs
    assert sums.calls["add_"] == 2 and sums.numbers["add_"] == 2 * 2 * 2 * parameters
    adam = steps_taken(contenders, "own Adam", 2, Operations())
    assert adam.calls["_fused_adam_"] == 2 * 2
    loss = steps_taken(contenders, "own loss", 2, Operations())
    logits = 2 * 2 * 128 * 3072
    assert loss.numbers["sigmoid"] == logits
    assert loss.numbers["binary_cross_entropy_with_logits"] == logits


@pytest.mark.parametrize("arch", ARCHS)
def test_the_plain_model_is_the_engines(contenders, arch):
    network = contenders.build(arch)
    engine = VAE.initial(network, [0]).parameters
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
