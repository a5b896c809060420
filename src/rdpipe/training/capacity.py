"""How many runs fit into the memory of a device at a time."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from rdpipe.common import devices
from rdpipe.training.train import parameter_type
from rdpipe.vae import costs, networks

MEMORY = 0.8  # of what a device has free, for what can be counted


def capacity(
    images: np.ndarray, *, arch: Mapping[str, Any], batch_size: int, precision: str, **_: Any
) -> int:
    """How many runs can be trained together in the memory that the device has left, at least 1.

    Parameters
    ----------
    images
        Training part, uint8 (N, H, W, C).
    arch, batch_size, precision
        As `train.train` takes them; its other settings do not matter.
    """
    device = devices.choose()
    if device.type == "cpu":
        return sys.maxsize
    network = networks.build(arch, images.shape[1:])
    each = costs.numbers(network, batch_size) * parameter_type(precision).itemsize
    free = torch.cuda.mem_get_info(device)[0]
    return max(1, int((MEMORY * free - images.nbytes) / each))
