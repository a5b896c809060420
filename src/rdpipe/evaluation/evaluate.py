"""What is measured of each trained run, on train and on test (paper, Sections 2, 4.4 and 4.5).

The networks run in the precision of their weights; every sum over pixels, latent dimensions or
examples is float64. Noise and the choice of examples depend on the evaluation's own seed alone, so
all runs on a split are measured with the same draws and the points of an RD curve are paired.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from rdpipe.common import devices
from rdpipe.common.files import read_json, write_npz, write_parquet
from rdpipe.common.precision import products
from rdpipe.evaluation import likelihood, memorization, rate_distortion, rate_terms
from rdpipe.evaluation.examples import Encoded, Split, inputs, log_prior_of
from rdpipe.evaluation.reconstructions import decode, difficult, to_uint8
from rdpipe.vae import networks, streams
from rdpipe.vae.models import VAE

PARTS = ("train", "test")
METRICS: dict[str, tuple[str, ...]] = {
    "distortion": PARTS,
    "rate": PARTS,
    "rate_se": PARTS,
    "elbo": PARTS,
    "excess_distortion": PARTS,
    "mse": PARTS,
    "mutual_information": ("train",),
    "mutual_information_se": ("train",),
    "marginal_kl": ("train",),
    "marginal_kl_se": ("train",),
    "mutual_information_batch": ("train",),
    "marginal_kl_batch": ("train",),
    "memorization": ("test",),
    "weight_perplexity": PARTS,
    "optimal_mse": PARTS,
    "optimal_gap": PARTS,
}
"""Every metric, and the parts that it is measured on; those of log p(x) follow."""

Metrics = dict[str, dict[str, float]]
"""Part -> metric -> value."""


@torch.inference_mode()
@products("float32")
def write_evaluation(
    folder: Path,
    split: Split,
    *,
    run: Path,
    model: Path,
    examples: int,
    likelihood_samples: Sequence[int],
    **settings: Any,
) -> None:
    """Evaluate one run: `metrics.parquet` (a row each for train and test), `reconstructions.npz`.

    A run that diverged has no weights worth measuring. All its metrics are NaN and its
    reconstructions are black; its status tells them from a model's own black.

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
        Number of difficult test images to reconstruct.
    likelihood_samples
        Ascending numbers of importance samples behind log p(x).
    settings
        The other settings of `measure_run`.
    """
    record = read_json(run)
    rows = difficult(split.distance, examples)
    listed = METRICS | dict.fromkeys(likelihood.columns(likelihood_samples), PARTS)
    black = np.zeros_like(split.test.images[rows])
    pictures = {"reconstruction": black, "optimal": black}
    measured: Metrics = {
        part: {name: math.nan for name in listed if part in listed[name]} for part in PARTS
    }
    if record["status"] == "finished":
        vae = load_vae(record, model)
        measured, encoded = measure_run(
            vae, split, likelihood_samples=likelihood_samples, **settings
        )
        pictures = reconstruct(vae, encoded["test"][rows], encoded["train"])
    write_parquet(folder / "metrics.parquet", metrics_table(record, split, listed, measured))
    write_npz(
        folder / "reconstructions.npz",
        test=rows,
        input=split.test.images[rows],
        neighbour=split.train.images[split.nearest[rows]],
        distance=split.distance[rows],
        **pictures,
    )


def measure_run(
    vae: VAE,
    split: Split,
    *,
    seed: int,
    outer: int,
    batch: int,
    memorization_images: int,
    likelihood_images: int,
    likelihood_samples: Sequence[int],
) -> tuple[Metrics, dict[str, Encoded]]:
    """All metrics of one run, and the parts as it encodes them.

    Parameters
    ----------
    vae
        One run.
    split
        What it was trained and is tested on. A count above what a part has means all of the part.
    seed
        Seed of the noise and of the choice of examples.
    outer, batch
        See `rate_terms.measure`.
    memorization_images
        Examples of each part that the optimal decoder is compared on.
    likelihood_images, likelihood_samples
        Examples of each part that log p(x) is averaged over; see `likelihood.measure`.
    """
    measured: Metrics = {}
    encoded: dict[str, Encoded] = {}
    for index, (name, part, use) in enumerate(
        (("train", split.train, streams.TRAIN_SAMPLES), ("test", split.test, streams.TEST_SAMPLES))
    ):
        noise = streams.generator(seed, use)
        random = streams.generator(seed, streams.RATE_SAMPLES, index)
        measured[name], encoded[name] = rate_distortion.measure(vae, part, noise, random, name)
    train = encoded["train"]
    random = streams.generator(seed, streams.OUTER_SAMPLES)
    measured["train"] |= rate_terms.measure(train, log_prior_of(vae), random, outer, batch)
    for index, (name, part_encoded) in enumerate(encoded.items()):
        random = streams.generator(seed, streams.MEMORIZATION, index)
        chosen = part_encoded.choose(random, memorization_images)
        measured[name] |= memorization.measure_optimal_decoder(vae, chosen, train, random)
        if name == "test":
            measured[name] |= memorization.measure(vae, chosen, train)
        random = streams.generator(seed, streams.LIKELIHOOD, index)
        chosen = part_encoded.choose(random, likelihood_images)
        x = inputs(vae, chosen.images)
        posteriors = chosen.mean, chosen.log_variance
        measured[name] |= likelihood.measure(vae, x, *posteriors, random, likelihood_samples)
    return measured, encoded


def metrics_table(
    record: Mapping[str, Any],
    split: Split,
    listed: Mapping[str, Sequence[str]],
    measured: Metrics,
) -> pd.DataFrame:
    """One row each for train and test: the run's β and seed, and its metrics.

    A metric is NaN on a part that it is not listed for.

    Raises
    ------
    RuntimeError
        If a metric was measured and is not listed, or is listed and was not measured.
    """
    for part in PARTS:
        expected = {name for name, parts in listed.items() if part in parts}
        if odd := expected ^ set(measured[part]):
            raise RuntimeError(f"listed or measured on {part}, but not both: {sorted(odd)}")
    columns = {
        "beta": 2 * [float(record["beta"])],
        "seed": 2 * [int(record["seed"])],
        "part": PARTS,
        "n": [len(split.train.images), len(split.test.images)],
        "status": 2 * [record["status"]],
    }
    values = {name: [measured[part].get(name, math.nan) for part in PARTS] for name in listed}
    return pd.DataFrame(columns | values)


def reconstruct(vae: VAE, chosen: Encoded, train: Encoded) -> dict[str, np.ndarray]:
    """What the run's decoder ("reconstruction") and the optimal one ("optimal") make of M examples.

    Both decode the posterior mean; uint8 (M, H, W, C) each.
    """
    optimal, _ = memorization.optimal_decoder(
        chosen.mean, train.mean, train.log_variance, train.images
    )
    pixels = {"reconstruction": decode(vae, chosen.mean), "optimal": optimal}
    return {name: to_uint8(each, vae.network.image_shape) for name, each in pixels.items()}


def load_vae(record: Mapping[str, Any], model: Path) -> VAE:
    """One run's model on the device to compute on, from its run.json and its model.safetensors."""
    network = networks.build(record["arch"], record["image_shape"])
    parameters = {name: tensor[None] for name, tensor in load_file(model).items()}
    return VAE(network, parameters).to(devices.choose())
