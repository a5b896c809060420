"""What is measured of each trained run, on train and on test (paper, Sections 2, 4.4 and 4.5).

The networks run in the precision of their weights; every sum over pixels, latent dimensions or
examples is float64. Noise and the choice of examples depend on the evaluation's own seed alone, so
all runs on a split are measured with the same draws and the points of an RD curve are paired.

Letters in shapes: N examples of a part, M that were chosen of them, B in a block, P pixels times
channels, D latent dimensions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from rdpipe.common import devices
from rdpipe.common.entropy import bernoulli_entropy
from rdpipe.common.files import read_json, read_npz, read_parquet, write_npz, write_parquet
from rdpipe.common.precision import products
from rdpipe.common.progress import Progress
from rdpipe.evaluation import likelihood, memorization, rate_terms
from rdpipe.evaluation.likelihood import BLOCK
from rdpipe.vae import models, networks, streams
from rdpipe.vae.networks import Network

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
    "memorization",
    "weight_perplexity",
    "optimal_mse",
    "optimal_gap",
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


@dataclass(frozen=True)
class Settings:
    """What the config says of evaluations; counts above what a part has mean all of it."""

    examples: int  # difficult test images to reconstruct, by the run's decoder and the optimal one
    outer: int  # training examples that I(x;z) and KL(q(z)‖p(z)) are averaged over
    batch: int  # samples in a batch of the paper's estimate of the two
    seed: int  # of the evaluation's noise and of its choice of examples
    memorization_images: int  # examples of each part that the optimal decoder is compared on
    likelihood_images: int  # examples of each part that log p(x) is averaged over
    likelihood_samples: Sequence[int]  # numbers of importance samples behind it, ascending


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
        return models.sample(self.mean, self.log_variance, draws)


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
    gap = np.abs(distance - np.percentile(distance, 90, method="inverted_cdf"))
    return np.argsort(gap, kind="stable")[:examples]


def measure(
    network: Network,
    parameters: Mapping[str, Tensor],
    part: Part,
    noise: np.random.Generator,
    label: str,
) -> tuple[dict[str, float], Encoded]:
    """D, R, ELBO, excess distortion and MSE of one run on one part, which it encodes.

    D = -E[log p(x|z)] (equation 3) and the MSE (mean over pixels and channels) take one sample z of
    each posterior, R = KL(q(z|x)‖p(z)) is analytic, the ELBO is that of β = 1, -D - R, and the
    excess distortion is D minus the images' entropy. All but the MSE in nats.

    Parameters
    ----------
    network, parameters
        Those of one run, on the device to use, with their leading axis of runs.
    part
        N images.
    noise
        The source of the samples' standard normal noise.
    label
        Names the part in the log.
    """
    progress = Progress(len(part.images), f"evaluation on {label}")
    distortion = squares = 0.0
    # made once: many small tensors kept between the big ones would scatter the heap over gigabytes
    posteriors = parameters["mean.bias"].new_empty(
        2, len(part.images), network.latent, dtype=torch.float64
    )
    size = BLOCK[posteriors.device.type]
    firsts = range(0, len(part.images), size)
    for first, rows in zip(firsts, posteriors.split(size, 1), strict=True):
        x = _intensities(parameters, part.images[first : first + size])[None]  # (1, B, P)
        mean, log_variance = models.encode(network, parameters, x)  # (1, B, D)
        draws = torch.from_numpy(noise.standard_normal(mean.shape, dtype=np.float32)).to(mean)
        z = models.sample(mean, log_variance, draws)
        logits = models.decode(network, parameters, z)  # (1, B, P)
        nats = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
        distortion += nats.sum(dtype=torch.float64).item()
        squares += (logits.sigmoid_() - x).square_().sum(dtype=torch.float64).item()
        rows.copy_(torch.cat([mean, log_variance]))
        progress.update(x.shape[1])
    d, r = distortion / len(part.images), models.rate(*posteriors).mean().item()
    metrics = {
        "distortion": d,
        "rate": r,
        "elbo": -d - r,
        "excess_distortion": d - part.entropy,
        "mse": squares / part.images.size,
    }
    return metrics, Encoded(part.images, *posteriors)


def measure_rate_terms(
    train: Encoded, random: np.random.Generator, outer: int, batch: int
) -> dict[str, float]:
    """I(x;z) and KL(q(z)‖p(z)) in nats, by the full sum and from batches (Section 4.5).

    Parameters
    ----------
    train
        The N training examples.
    random
        Draws the examples and their samples.
    outer
        Examples, one sample each, that the outer mean is over; all N if there are fewer.
    batch
        Samples in a batch of the paper's estimate.
    """
    own = train.choose(random, outer)
    z = own.sample(random)
    log_q = rate_terms.log_aggregate_posterior(z, train.mean, train.log_variance)
    full = rate_terms.decompose(z, own.mean, own.log_variance, log_q)
    batches = rate_terms.decompose_batches(z, own.mean, own.log_variance, len(train.images), batch)
    return asdict(full) | {
        "mutual_information_batch": batches.mutual_information,
        "marginal_kl_batch": batches.marginal_kl,
    }


def measure_optimal_decoder(
    network: Network,
    parameters: Mapping[str, Tensor],
    chosen: Encoded,
    train: Encoded,
    random: np.random.Generator,
) -> dict[str, float]:
    """How good the optimal decoder is, and how near the run's is to it, at M codes z ~ q(z|x).

    Means over the `chosen` examples: weight_perplexity, how many images of `train` the optimal
    decoder averages; optimal_mse, between its pixels and the input's; optimal_gap, between its
    pixels and those of the run's decoder. `random` draws one z of each example.
    """
    z = chosen.sample(random)
    optimal, perplexity = memorization.optimal_decoder(
        z, train.mean, train.log_variance, train.images
    )
    x, reconstruction = _intensities(parameters, chosen.images), decode(network, parameters, z)
    return {
        "weight_perplexity": perplexity.mean().item(),
        "optimal_mse": (optimal - x).square().mean(dtype=torch.float64).item(),
        "optimal_gap": (optimal - reconstruction).square().mean(dtype=torch.float64).item(),
    }


def measure_memorization(
    network: Network, parameters: Mapping[str, Tensor], chosen: Encoded, train: Encoded
) -> dict[str, float]:
    """Share of the chosen test examples that the run reconstructs as training images.

    Those whose reconstruction, at the posterior mean, is nearer in ℓ2 to an image of `train` than
    to its own input.
    """
    pixels = decode(network, parameters, chosen.mean)
    if pixels.isnan().any():
        return {"memorization": math.nan}
    reconstructions = to_uint8(pixels, network.image_shape)
    memorized = memorization.memorized(chosen.images, reconstructions, train.images)
    return {"memorization": memorized.mean().item()}


def measure_run(
    network: Network, parameters: Mapping[str, Tensor], split: Split, settings: Settings
) -> tuple[dict[str, dict[str, float]], dict[str, Encoded]]:
    """All metrics of one run by part and name, and the parts as it encodes them."""
    vae, seed = (network, parameters), settings.seed
    metrics, encoded = {}, {}
    for name, part, use in (
        ("train", split.train, streams.TRAIN_SAMPLES),
        ("test", split.test, streams.TEST_SAMPLES),
    ):
        metrics[name], encoded[name] = measure(*vae, part, streams.generator(seed, use), name)
    train = encoded["train"]
    random = streams.generator(seed, streams.OUTER_SAMPLES)
    metrics["train"] |= measure_rate_terms(train, random, settings.outer, settings.batch)
    for index, (name, examples) in enumerate(encoded.items()):
        random = streams.generator(seed, streams.MEMORIZATION, index)
        chosen = examples.choose(random, settings.memorization_images)
        metrics[name] |= measure_optimal_decoder(*vae, chosen, train, random)
        if name == "test":
            metrics[name] |= measure_memorization(*vae, chosen, train)
        random = streams.generator(seed, streams.LIKELIHOOD, index)
        chosen = examples.choose(random, settings.likelihood_images)
        x = _intensities(parameters, chosen.images)
        metrics[name] |= likelihood.measure_likelihood(
            *vae, x, chosen.mean, chosen.log_variance, random, settings.likelihood_samples
        )
    return metrics, encoded


def decode(network: Network, parameters: Mapping[str, Tensor], z: Tensor) -> Tensor:
    """The pixels' Bernoulli means (M, P) at z (M, D)."""
    blocks = z.to(parameters["mean.bias"]).split(BLOCK[z.device.type])
    return torch.cat([models.decode(network, parameters, z[None])[0].sigmoid_() for z in blocks])


def to_uint8(pixels: Tensor, shape: Sequence[int]) -> np.ndarray:
    """Pixels (M, P) in [0, 1], rounded: uint8 (M, H, W, C), for images of `shape` (H, W, C).

    NaN has no uint8: it is black, while the metrics show that the run is broken.
    """
    rounded = (pixels.nan_to_num(0) * 255).round().to(torch.uint8)
    return rounded.unflatten(1, tuple(shape)).cpu().numpy()


def reconstruct(
    network: Network, parameters: Mapping[str, Tensor], chosen: Encoded, train: Encoded
) -> dict[str, np.ndarray]:
    """What the run's decoder ("reconstruction") and the optimal one ("optimal") make of M examples.

    Both decode the posterior mean; uint8 (M, H, W, C) each.
    """
    optimal, _ = memorization.optimal_decoder(
        chosen.mean, train.mean, train.log_variance, train.images
    )
    pixels = {"reconstruction": decode(network, parameters, chosen.mean), "optimal": optimal}
    return {name: to_uint8(each, network.image_shape) for name, each in pixels.items()}


@torch.inference_mode()
@products("float32")
def write_evaluation(
    folder: Path, split: Split, *, run: Path, model: Path, **settings: Any
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
    settings
        The fields of `Settings`.
    """
    chosen = Settings(**settings)
    record = read_json(run)
    rows = difficult(split.distance, chosen.examples)
    black = np.zeros_like(split.test.images[rows])
    metrics: dict[str, dict[str, float]] = {"train": {}, "test": {}}
    pictures = {"reconstruction": black, "optimal": black}
    if record["status"] == "finished":
        vae = networks.build(record["arch"], record["image_shape"]), _read_parameters(model)
        metrics, encoded = measure_run(*vae, split, chosen)
        pictures = reconstruct(*vae, encoded["test"][rows], encoded["train"])
    names = [*METRICS, *likelihood.columns(chosen.likelihood_samples)]
    _write_metrics(folder / "metrics.parquet", split, record["status"], names, metrics)
    write_npz(
        folder / "reconstructions.npz",
        test=rows,
        input=split.test.images[rows],
        neighbour=split.train.images[split.nearest[rows]],
        distance=split.distance[rows],
        **pictures,
    )


def _write_metrics(
    path: Path,
    split: Split,
    status: str,
    names: Sequence[str],
    metrics: Mapping[str, Mapping[str, float]],
) -> None:
    """Two rows, train and test; a metric that was not measured on a part is NaN there."""
    columns = {
        "part": ["train", "test"],
        "n": [len(split.train.images), len(split.test.images)],
        "status": [status, status],
    }
    values = {
        name: [metrics[part].get(name, math.nan) for part in ("train", "test")] for name in names
    }
    write_parquet(path, pd.DataFrame(columns | values))


def _intensities(parameters: Mapping[str, Tensor], images: np.ndarray) -> Tensor:
    """Intensities in [0, 1], (N, P), as and where the parameters are; uint8 (N, H, W, C) in."""
    like = parameters["mean.bias"]
    return torch.from_numpy(images).to(like.device).flatten(1).to(like.dtype).div_(255)


def _read_parameters(model: Path) -> dict[str, Tensor]:
    """A run's parameters with the leading axis of runs that models.py works on."""
    device = devices.choose()
    return {name: tensor[None].to(device) for name, tensor in load_file(model).items()}
