"""Convolutional networks: the images that they can take."""

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.vae import networks

CNN = {"kind": "cnn", "layers": 3, "channels": 4, "dense": 0, "latent": 2}


def test_images_too_small_for_the_convolutions_are_refused():
    networks.build(CNN, (8, 40, 1))
    for shape in ((7, 40), (40, 7)):
        with pytest.raises(
            RdpipeError,
            match=rf"3 layers needs .* 8×8 pixels, and these are {shape[0]}×{shape[1]}",
        ):
            networks.build(CNN, (*shape, 1))


def test_a_dense_layer_is_built_only_where_it_is_asked_for():
    for dense, units in ((0, (2, 2, 4)), (6, (6,))):
        network = networks.build(CNN | {"dense": dense}, (16, 16, 1))
        assert network.mean.inputs == units
        assert len(network.encoder) == len(network.decoder) == 3 + bool(dense)
