"""The log p(x) of every image of a split by one run: what leave-out memorisation is made from.

A model memorises an image if the image becomes likely by being trained on (van den Burg and
Williams, 2021; Feldman and Zhang, 2020):

    M(x) = mean of log p(x) over trainings with x, minus the mean over trainings without x.

The trainings are those on several random splits of one dataset. This stage measures log p(x); the
figure `leave_out` joins the runs. Letters in shapes: N images, K samples.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rdpipe.common.files import read_json, write_parquet
from rdpipe.common.precision import products
from rdpipe.diagnostics.runs import PARTS, Images, encode, load_vae
from rdpipe.evaluation.examples import inputs, log_prior_of
from rdpipe.evaluation.likelihood import estimate, log_weights
from rdpipe.vae import streams
from rdpipe.vae.models import VAE

NOISE = 140  # what numbers are drawn for
BLOCK = 64  # images at a time


@torch.inference_mode()
@products("float32")
def write_measure(
    folder: Path, parts: Images, *, run: Path, model: Path, seed: int, samples: int
) -> None:
    """Write `scores.parquet` of one run: `part` and `log_likelihood` of each image, in nats.

    The images of train come first, then those of test, each in the order of their file. All are
    NaN for a run that diverged.

    Parameters
    ----------
    folder
        Where the file goes.
    parts
        The images the run was trained and is tested on.
    run, model
        Its run.json and its model.safetensors.
    seed
        Seed of the noise.
    samples
        Importance samples of each image (see `rdpipe.evaluation.likelihood`).
    """
    record = read_json(run)
    vae = load_vae(record, model) if record["status"] == "finished" else None
    tables = []
    for index, part in enumerate(PARTS):
        values = np.full(len(parts[part]), np.nan)
        if vae:
            random = streams.generator(seed, NOISE, index)
            values = log_likelihoods(vae, parts[part], random, samples).cpu().numpy()
        tables.append(pd.DataFrame({"part": part, "log_likelihood": values}))
    write_parquet(folder / "scores.parquet", pd.concat(tables, ignore_index=True))


def log_likelihoods(
    vae: VAE, images: np.ndarray, random: np.random.Generator, samples: int
) -> Tensor:
    """The log p(x) of each image from K importance samples of its posterior, float64 (N,) nats."""
    encoded, log_prior, found = encode(vae, images), log_prior_of(vae), []
    for first in range(0, len(images), BLOCK):
        own = encoded[np.arange(first, min(first + BLOCK, len(images)))]
        shape = (len(own.images), samples, vae.network.latent)
        noise = torch.from_numpy(random.standard_normal(shape, dtype=np.float32)).to(own.mean)
        x = inputs(vae, own.images)
        log_w = log_weights(vae, x, own.mean, own.log_variance, noise, log_prior)
        found.append(estimate(log_w, [samples])[0][:, 0])
    return torch.cat(found)
