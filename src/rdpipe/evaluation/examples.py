"""What is evaluated: the images of a split, and a run's posteriors of them.

Letters in shapes: N examples of a part, P pixels times channels, D latent dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rdpipe.common.entropy import bernoulli_entropy
from rdpipe.common.files import read_npz, read_parquet
from rdpipe.vae.models import VAE, intensities, sample

# Examples that pass through a network at a time, by kind of device: so many stay in a core's cache,
# and so many do not leave a GPU waiting for its next kernel.
BLOCK = {"cpu": 128, "cuda": 2048}
HELD = 2**22  # intermediate values of a prior's density that are in memory at a time


@dataclass(frozen=True)
class Part:
    """One part of a split: images uint8 (N, H, W, C) and their mean Bernoulli entropy in nats."""

    images: np.ndarray
    entropy: float


@dataclass(frozen=True)
class Split:
    """What all runs on one split are evaluated with.

    nearest int64 (n_test,) is the row in train of each test image's nearest neighbour, distance
    float64 (n_test,) the ℓ2 distance to it.
    """

    train: Part
    test: Part
    nearest: np.ndarray
    distance: np.ndarray


def load_split(train: Path, test: Path, distances: Path) -> Split:
    """Read a split (train.npz, test.npz) and its neighbours (distances.parquet)."""
    images = read_npz(train)["images"], read_npz(test)["images"]
    neighbours = read_parquet(distances)
    return Split(
        train=Part(images[0], bernoulli_entropy(images[0])),
        test=Part(images[1], bernoulli_entropy(images[1])),
        nearest=neighbours["nearest"].to_numpy(),
        distance=neighbours["distance"].to_numpy(),
    )


@dataclass(frozen=True)
class Encoded:
    """Examples, uint8 (N, H, W, C), and a run's posteriors of them: float64 (N, D) each."""

    images: np.ndarray
    mean: Tensor
    log_variance: Tensor

    def choose(self, random: np.random.Generator, count: int) -> "Encoded":
        """`count` of the examples at random, or all in random order if there are fewer."""
        n = len(self.images)
        return self[random.choice(n, min(count, n), replace=False)]

    def __getitem__(self, rows: np.ndarray) -> "Encoded":
        """The examples in these rows."""
        index = torch.from_numpy(rows).to(self.mean.device)
        return Encoded(self.images[rows], self.mean[index], self.log_variance[index])

    def sample(self, random: np.random.Generator) -> Tensor:
        """One sample z of each posterior, float64 (N, D)."""
        draws = torch.from_numpy(random.standard_normal(self.mean.shape)).to(self.mean)
        return sample(self.mean, self.log_variance, draws)


def inputs(vae: VAE, images: np.ndarray) -> Tensor:
    """Images, uint8 (N, H, W, C), as a VAE reads them: intensities (N, P) on its device."""
    return intensities(torch.from_numpy(images).to(vae.device).flatten(1), vae.dtype)


def log_prior_of(vae: VAE) -> Callable[[Tensor], Tensor]:
    """Log p(z) of one run in nats as a function of z: float64 (…, D) -> (…)."""
    density = vae.log_prior(torch.float64)
    rows = HELD // vae.network.prior.held if vae.network.prior.held else None

    def log_prior(z: Tensor) -> Tensor:
        flat = z.flatten(0, -2)[None]  # (1, M, D)
        log_p = torch.cat([density(part) for part in flat.split(rows or flat.shape[1], 1)], 1)
        return log_p[0].unflatten(0, z.shape[:-1])

    return log_prior
