"""Memorisation by the decoder's own yardstick: its likelihood.

The optimal decoder of the training data returns at a code z the mean x̂(z) = Σ_n w_n x_n of training
images, w_n ∝ q(z|x_n). A decoder that memorised returns the same. So an example counts as memorised
if what the run's decoder makes of its code is nearer to x̂(z) than to the example, in nats,

    −log p(x̂(z)|z) < −log p(x|z),

as the authors' earlier study counts it. In x the Bernoulli's nats are linear, so the left side is
the mean of −log p(x_n|z) with the weights w_n: the D of the training images that share the code.

That says how to read the share. A model that merely underfits treats an image and the training
images of its code alike, so its share is about ½, whatever D is. A decoder that memorised has more,
up to 1. One that reconstructs the image itself has less, down to 0. The pixel distance to the
nearest training image, the `memorization` of the evaluation, cannot tell the first two apart: of N
images, one is always near a blurred reconstruction.

Letters in shapes: M examples, P pixels times channels, D latent dimensions.
"""

import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rdpipe.diagnostics.runs import Images, Measured, encode, mean_and_error, write_metrics
from rdpipe.evaluation.examples import BLOCK, Encoded, inputs
from rdpipe.evaluation.memorization import optimal_decoder
from rdpipe.vae import streams
from rdpipe.vae.models import VAE

COLUMNS = ("decoder_memorization", "memorized_nats", "memorized_nats_se")
"""The share of examples that count as memorised; and by how many nats, on average, the example
costs the decoder more than the optimal decoder's output."""

CHOICE = 110  # what numbers are drawn for


def write_measure(folder: Path, parts: Images, *, run: Path, model: Path, **settings: Any) -> None:
    """Write the measure of one run; `settings` are those of `measure`."""
    write_metrics(folder, parts, COLUMNS, partial(measure, **settings), run=run, model=model)


@torch.inference_mode()
def measure(vae: VAE, parts: Images, beta: float, *, seed: int, images: int) -> Measured:
    """The columns COLUMNS on test, from `images` test examples at their posterior mean.

    No β is used. A training example is one of the N that the optimal decoder averages, so its share
    would say nothing.
    """
    train = encode(vae, parts["train"])
    chosen = encode(vae, parts["test"]).choose(streams.generator(seed, CHOICE), images)
    excess = excess_nats(vae, chosen, train)
    share = math.nan if excess.isnan().any() else (excess > 0).double().mean().item()
    named = {"decoder_memorization": share} | mean_and_error(excess, "memorized_nats")
    return {"train": {}, "test": named}


def excess_nats(vae: VAE, chosen: Encoded, train: Encoded) -> Tensor:
    """−log p(x|z) + log p(x̂(z)|z) of M examples at their posterior mean, float64 (M,) nats."""
    optimal, _ = optimal_decoder(chosen.mean, train.mean, train.log_variance, train.images)
    x = inputs(vae, chosen.images)
    excess = []
    size = BLOCK[vae.device.type]
    blocks = (tensor.split(size) for tensor in (chosen.mean, x, optimal.to(vae.dtype)))
    for z, own, other in zip(*blocks, strict=True):
        outputs = vae.decode(z.to(vae.dtype)[None])  # (1, B, P)
        difference = vae.nats(outputs, own[None]) - vae.nats(outputs, other[None])
        excess.append(difference[0].sum(1, dtype=torch.float64))
    return torch.cat(excess)
