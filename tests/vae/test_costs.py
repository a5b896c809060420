"""Costs of networks against what PyTorch counts while it computes."""

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rdpipe.vae import costs, networks
from rdpipe.vae.models import VAE

MLP = {"kind": "mlp", "layers": 1, "width": 512, "latent": 10}
CNN = {"kind": "cnn", "layers": 1, "channels": 64, "dense": 0, "latent": 10}
SHAPE = (32, 32, 3)
ARCHS = pytest.mark.parametrize(
    "arch",
    [MLP, MLP | {"layers": 3}, CNN, CNN | {"layers": 3, "channels": 7, "dense": 50}],
    ids=["mlp-1", "mlp-3", "cnn-1", "cnn-3"],
)
SHAPES = pytest.mark.parametrize("shape", [SHAPE, (28, 28, 1)], ids=["tetrominoes", "mnist"])


@ARCHS
@SHAPES
def test_products_are_those_that_torch_counts(arch, shape):
    network = networks.build(arch, shape)
    vae = VAE.initial(network, [0])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        mean, _ = vae.encode(torch.rand(1, 1, math.prod(shape)))
        vae.decode(mean)
    assert 2 * costs.products(network) == counter.get_total_flops()


def test_the_products_of_the_papers_networks():
    """Two operations each, three passes, a batch of 128: 2.4 and 3.2 GFLOP a step (MLPs)."""
    one, three = (costs.products(networks.build(MLP | {"layers": k}, SHAPE)) for k in (1, 3))
    assert one == 2 * 3072 * 512 + 3 * 10 * 512
    assert three == one + 4 * 512 * 512


@ARCHS
@SHAPES
def test_parameters_are_those_that_a_model_has(arch, shape):
    network = networks.build(arch, shape)
    held = VAE.initial(network, [0]).parameters.values()
    assert costs.parameters(network) == sum(p.numel() for p in held)
