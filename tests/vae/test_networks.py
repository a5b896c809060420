"""Networks: that they are counted as they are built."""

import math

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.vae import models, networks

MLP = {"kind": "mlp", "layers": 1, "width": 512, "latent": 10}
CNN = {"kind": "cnn", "layers": 1, "channels": 64, "dense": 0, "latent": 10}
SHAPE = (32, 32, 3)


def test_images_too_small_for_the_convolutions_are_refused() -> None:
    networks.build(CNN | {"layers": 3}, (8, 40, 1))
    with pytest.raises(RdpipeError, match=r"3 layers needs .* 8×8 pixels, and these are 7×40"):
        networks.build(CNN | {"layers": 3}, (7, 40, 1))


@pytest.mark.parametrize("arch", [MLP, CNN, CNN | {"layers": 3, "channels": 7, "dense": 50}])
@pytest.mark.parametrize("shape", [SHAPE, (29, 28, 1)], ids=["even", "odd"])
def test_what_a_run_holds_is_counted(arch, shape):
    network = networks.build(arch, shape)
    parameters = models.initial_parameters(network, [0])
    assert sum(layer.parameters for layer in network.layers()) == sum(
        p.numel() for p in parameters.values()
    )
    one, two = network.numbers(16), network.numbers(32)
    assert two - one == 4 * 16 * sum(math.prod(layer.outputs) for layer in network.layers())
    assert 2 * one - two == 5 * sum(p.numel() for p in parameters.values())


def test_the_products_of_the_papers_networks():
    """Two operations each, three passes, a batch of 128: 2.4 and 3.2 GFLOP a step (MLPs)."""
    one, three = (networks.build(MLP | {"layers": k}, SHAPE).products for k in (1, 3))
    assert one == 2 * 3072 * 512 + 3 * 10 * 512
    assert three == one + 4 * 512 * 512
    convolution = 4 * 4 * 3 * 64 * 16 * 16  # at each of 16 × 16 places
    assert networks.build(CNN, SHAPE).products == 2 * convolution + 3 * 10 * 64 * 16 * 16
