"""Pictures: difficult test images, and what a run's decoder makes of them (Section 4.4).

Letters in shapes: N examples of a part, M that were chosen of them, P pixels times channels, D
latent dimensions.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rdpipe.evaluation.examples import BLOCK
from rdpipe.vae.models import VAE


def difficult(distance: np.ndarray, examples: int) -> np.ndarray:
    """Rows of the test images nearest the 90th percentile of the distance to train.

    The paper's difficult examples, the one closest to the percentile first.
    distance (N,) -> int64 (min(examples, N),).
    """
    gap = np.abs(distance - np.percentile(distance, 90, method="inverted_cdf"))
    return np.argsort(gap, kind="stable")[:examples]


def decode(vae: VAE, z: Tensor) -> Tensor:
    """The pixels' means (M, P) of one run at z (M, D)."""
    blocks = z.to(vae.device, vae.dtype).split(BLOCK[z.device.type])
    return torch.cat([vae.network.likelihood.mean(vae.decode(z[None])[0]) for z in blocks])


def to_uint8(pixels: Tensor, shape: Sequence[int]) -> np.ndarray:
    """Pixels (M, P) in [0, 1], rounded: uint8 (M, H, W, C), for images of `shape` (H, W, C).

    NaN has no uint8. It becomes black; the metrics show that the run is broken.
    """
    rounded = (pixels.nan_to_num(0) * 255).round().to(torch.uint8)
    return rounded.unflatten(1, tuple(shape)).cpu().numpy()
