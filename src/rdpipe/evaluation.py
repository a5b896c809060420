"""What is measured of each trained run, on train and on test (paper, Sections 2, 4.4 and 4.5).

The networks run in the precision of their weights; every sum over pixels, latent dimensions or
examples is float64. Noise and the choice of examples depend on the evaluation's own seed alone, so
all runs on a split are measured with the same draws and the points of an RD curve are paired.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from rdpipe import devices, estimators, models, streams
from rdpipe.files import read_json, read_npz, read_parquet, write_npz, write_parquet
from rdpipe.images import bernoulli_entropy
from rdpipe.progress import Progress

BLOCK = 512  # images that pass through the networks at a time: their logits stay in cache

METRICS = (
    "distortion",
    "rate",
    "elbo",
    "excess_distortion",
    "mse",
    "mutual_information",
    "mutual_information_se",
    "marginal_kl",
    "marginal_kl_se",
    "mutual_information_batch",
    "marginal_kl_batch",
)


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


def difficult(distance: np.ndarray, examples: int) -> np.ndarray:
    """Rows of the test images nearest the 90th percentile of the distance to train.

    The paper's difficult examples (Section 4.4), the one closest to the percentile first.
    distance (N,) -> int64 (min(examples, N),).
    """
    gap = np.abs(distance - np.percentile(distance, 90))
    return np.argsort(gap, kind="stable")[:examples]


def measure(
    parameters: Mapping[str, Tensor], part: Part, noise: np.random.Generator, label: str
) -> tuple[dict[str, float], Tensor, Tensor]:
    """D, R, ELBO, excess distortion and MSE of one run on one part, with its posteriors.

    D = -E[log p(x|z)] (equation 3) and the MSE (mean over pixels and channels) take one sample z of
    each posterior, R = KL(q(z|x)‖p(z)) is analytic, the ELBO is that of β = 1, -D - R, and the
    excess distortion is D minus the images' entropy. All but the MSE in nats.

    Parameters
    ----------
    parameters
        Those of one run, on the device to use, with their leading axis of runs.
    part
        N images.
    noise
        The source of the samples' standard normal noise.
    label
        Names the part in the log.

    Returns
    -------
    The metrics by name, and mean and log-variance, float64 (N, D).
    """
    progress = Progress(len(part.images), f"evaluation on {label}")
    distortion = squares = 0.0
    # made once: many small tensors kept between the big ones would scatter the heap over gigabytes
    bias = parameters["mean.bias"]  # (1, 1, D)
    posteriors = bias.new_empty(2, len(part.images), bias.shape[-1], dtype=torch.float64)
    for x, rows in zip(_blocks(parameters, part.images), posteriors.split(BLOCK, 1), strict=True):
        mean, log_variance = models.encode(parameters, x)  # (1, B, D)
        draws = torch.from_numpy(noise.standard_normal(mean.shape, dtype=np.float32)).to(mean)
        logits = models.decode(parameters, models.sample(mean, log_variance, draws))  # (1, B, P)
        nats = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
        distortion += nats.sum(dtype=torch.float64).item()
        squares += (logits.sigmoid_() - x).square_().sum(dtype=torch.float64).item()
        rows.copy_(torch.cat([mean, log_variance]))
        progress.update(x.shape[1])
    mean, log_variance = posteriors
    d, r = distortion / len(part.images), models.rate(mean, log_variance).mean().item()
    metrics = {
        "distortion": d,
        "rate": r,
        "elbo": -d - r,
        "excess_distortion": d - part.entropy,
        "mse": squares / part.images.size,
    }
    return metrics, mean, log_variance


def measure_rate_terms(
    mean: Tensor, log_variance: Tensor, random: np.random.Generator, outer: int, batch: int
) -> dict[str, float]:
    """I(x;z) and KL(q(z)‖p(z)) in nats, by the full sum and from batches (Section 4.5).

    Parameters
    ----------
    mean
        Means of the N posteriors of the training examples, float64 (N, D).
    log_variance
        Their log-variances, float64 (N, D).
    random
        Draws the examples and their samples.
    outer
        Examples, one sample each, that the outer mean is over; all N if there are fewer.
    batch
        Samples in a batch of the paper's estimate.
    """
    chosen = random.choice(len(mean), min(outer, len(mean)), replace=False)
    rows = torch.from_numpy(chosen).to(mean.device)
    own_mean, own_log_variance = mean[rows], log_variance[rows]  # (M, D)
    draws = torch.from_numpy(random.standard_normal(own_mean.shape)).to(mean)
    z = models.sample(own_mean, own_log_variance, draws)
    log_q = estimators.log_aggregate_posterior(z, mean, log_variance)
    full = estimators.decompose(z, own_mean, own_log_variance, log_q)
    batches = estimators.decompose_batches(z, own_mean, own_log_variance, len(mean), batch)
    return asdict(full) | {
        "mutual_information_batch": batches.mutual_information,
        "marginal_kl_batch": batches.marginal_kl,
    }


def reconstruct(parameters: Mapping[str, Tensor], images: np.ndarray) -> np.ndarray:
    """The decoder's pixel means at the posterior mean, rounded: uint8 (K, H, W, C) -> the same."""
    blocks = []
    for x in _blocks(parameters, images):
        pixels = models.decode(parameters, models.encode(parameters, x)[0])[0].sigmoid()  # (B, P)
        # NaN has no uint8: black, while the metrics show that the run is broken
        blocks.append((pixels.nan_to_num(0) * 255).round().to(torch.uint8).cpu())
    return torch.cat(blocks).numpy().reshape(images.shape)


@torch.inference_mode()
def write_evaluation(
    folder: Path,
    split: Split,
    *,
    run: Path,
    model: Path,
    examples: int,
    outer: int,
    batch: int,
    seed: int,
) -> None:
    """Evaluate one run: `metrics.parquet` (a row each for train and test), `reconstructions.npz`.

    A run that diverged has no weights worth measuring: NaN in every metric, and black
    reconstructions, which its status in the metrics tells from a model's own black.

    Parameters
    ----------
    folder
        Where the two files go.
    split
        The images the run was trained and is tested on.
    run
        Its run.json.
    model
        Its model.safetensors, not read if the run diverged.
    examples
        Difficult test images to reconstruct.
    outer
        Training examples that I(x;z) and KL(q(z)‖p(z)) are averaged over.
    batch
        Samples in a batch of the paper's estimate of the two.
    seed
        Seed of the evaluation's noise and of its choice of examples.
    """
    status = read_json(run)["status"]
    rows = difficult(split.distance, examples)
    metrics: dict[str, dict[str, float]] = {"train": {}, "test": {}}
    reconstruction = np.zeros_like(split.test.images[rows])
    if status == "finished":
        parameters = _read_parameters(model)
        noise = [
            streams.generator(seed, use) for use in (streams.TRAIN_SAMPLES, streams.TEST_SAMPLES)
        ]
        metrics["train"], mean, log_variance = measure(parameters, split.train, noise[0], "train")
        metrics["test"], _, _ = measure(parameters, split.test, noise[1], "test")
        metrics["train"] |= measure_rate_terms(
            mean, log_variance, streams.generator(seed, streams.OUTER_SAMPLES), outer, batch
        )
        reconstruction = reconstruct(parameters, split.test.images[rows])
    _write_metrics(folder / "metrics.parquet", split, status, metrics)
    write_npz(
        folder / "reconstructions.npz",
        test=rows,
        input=split.test.images[rows],
        reconstruction=reconstruction,
        neighbour=split.train.images[split.nearest[rows]],
        distance=split.distance[rows],
    )


def _write_metrics(
    path: Path, split: Split, status: str, metrics: Mapping[str, Mapping[str, float]]
) -> None:
    """Two rows, train and test; a metric that was not measured on a part is NaN there."""
    columns = {
        "part": ["train", "test"],
        "n": [len(split.train.images), len(split.test.images)],
        "status": [status, status],
    }
    values = {
        name: [metrics[part].get(name, math.nan) for part in ("train", "test")] for name in METRICS
    }
    write_parquet(path, pd.DataFrame(columns | values))


def _blocks(parameters: Mapping[str, Tensor], images: np.ndarray) -> Iterator[Tensor]:
    """Intensities in [0, 1], (1, B, P), as and where the parameters are; uint8 (N, H, W, C) in."""
    like = next(iter(parameters.values()))
    for block in torch.from_numpy(images).split(BLOCK):
        yield block.to(like.device).flatten(1)[None].to(like.dtype).div_(255)


def _read_parameters(model: Path) -> dict[str, Tensor]:
    """A run's parameters with the leading axis of runs that models.py works on."""
    device = devices.choose()
    return {name: tensor[None].to(device) for name, tensor in load_file(model).items()}
