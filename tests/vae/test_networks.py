"""Networks: their shapes, and that a study can be counted without PyTorch."""

import subprocess
import sys

import pytest

from rdpipe.vae import networks

MLP = {"kind": "mlp", "layers": 3, "width": 7, "latent": 2}
CNN = {"kind": "cnn", "layers": 2, "channels": 5, "dense": 6, "latent": 2}


@pytest.mark.parametrize(
    ("arch", "hidden"),
    [(MLP, [(7,), (7,), (7,)]), (CNN, [(4, 3, 5), (2, 1, 5), (6,)])],
    ids=["mlp", "cnn"],
)
def test_a_decoder_mirrors_its_encoder(arch, hidden):
    image = (9, 6, 3)
    network = networks.build(arch, image)
    assert [layer.inputs for layer in network.encoder] == [image, *hidden[:-1]]
    assert [layer.outputs for layer in network.encoder] == hidden
    assert [layer.inputs for layer in network.decoder] == [(2,), *hidden[:0:-1]]
    assert [layer.outputs for layer in network.decoder] == hidden[::-1]
    assert (network.output.inputs, network.output.outputs) == (hidden[0], image)
    assert network.mean.inputs == network.log_variance.inputs == hidden[-1]
    assert (network.image_shape, network.latent) == (image, 2)
    names = [layer.name for layer in network.layers()]
    assert len(set(names)) == len(names) == 2 * len(hidden) + 3


def test_networks_are_built_and_counted_without_pytorch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from rdpipe.vae import costs, networks\n"
        f"for arch in ({MLP}, {CNN}):\n"
        "    network = networks.build(arch, (8, 8, 3))\n"
        "    print(costs.products(network), costs.numbers(network, 16))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, text=True, capture_output=True)
    assert len(done.stdout.splitlines()) == 2
