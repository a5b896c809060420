"""What can be said of images alone, before any model."""

import numpy as np


def bernoulli_entropy(images: np.ndarray) -> float:
    """Mean over images of Σ -x log x - (1-x) log(1-x), x = images / 255, in nats.

    No model's mean distortion on these images, uint8 (N, H, W, C), can be lower: it is that of a
    decoder that returns every image as it is.
    """
    x = np.arange(1, 255) / 255  # 0 and 255 are certain: their entropy is 0
    nats = np.concatenate([[0], -x * np.log(x) - (1 - x) * np.log1p(-x), [0]])
    counts = np.zeros(256, np.int64)
    for first in range(0, len(images), 1024):  # bincount makes int64 of what it counts
        counts += np.bincount(images[first : first + 1024].ravel(), minlength=256)
    return float(counts @ nats) / len(images)
