"""What networks cost: multiplications and memory, counted from their shapes.

Plans and limits need these numbers; no result depends on them.
"""

import math

from rdpipe.vae.networks import Layer, Network


def products(network: Network) -> int:
    """Multiplications for one example, forward."""
    return sum(map(layer_products, network.layers()))


def step_products(network: Network, batch_size: int) -> int:
    """Multiplications of a step of training, forward: of a batch, and of what the prior encodes."""
    encoder = sum(map(layer_products, (*network.encoder, network.mean, network.log_variance)))
    return batch_size * products(network) + network.prior.encoded * encoder


def numbers(network: Network, batch_size: int) -> int:
    """How many numbers one run holds in training.

    Parameters, gradients, Adam's two moments and what early stopping keeps make five numbers a
    parameter. What each layer hands on is held four times: forward, backward, and by the loss.
    """
    encoded = sum(math.prod(layer.outputs) for layer in network.encoder)
    handed_on = batch_size * sum(math.prod(layer.outputs) for layer in network.layers())
    handed_on += network.prior.encoded * (encoded + math.prod(network.image_shape))
    return 5 * parameters(network) + 4 * handed_on + batch_size * network.prior.held


def parameters(network: Network) -> int:
    """Number of parameters of one run."""
    layers = sum(math.prod(layer.weight) + math.prod(layer.bias) for layer in network.layers())
    prior = sum(map(math.prod, network.prior.shapes.values()))
    return layers + prior + len(network.likelihood.parameters)


def layer_products(layer: Layer) -> int:
    """Multiplications of one layer for one example, forward.

    A convolution multiplies its weight at every pixel of the smaller of its two images.
    """
    small = min(layer.inputs, layer.outputs, key=lambda shape: shape[0])
    pixels = math.prod(small[:2]) if len(layer.weight) > 2 else 1
    return math.prod(layer.weight) * pixels
