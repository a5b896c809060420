"""Multilayer perceptrons with ReLU (paper, Section 4.3)."""

from collections.abc import Mapping, Sequence
from typing import Any

from rdpipe.vae.networks import Network, mirrored, relu


def build(arch: Mapping[str, Any], image_shape: Sequence[int]) -> Network:
    """An encoder of `layers` hidden layers with `width` units each, and its mirror image."""
    hidden = arch["layers"] * [(arch["width"],)]
    return mirrored(image_shape, hidden, arch, relu)
