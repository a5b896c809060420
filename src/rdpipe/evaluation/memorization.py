"""What a decoder that memorised the training data would do, and whether the model does it.

For given encodings, the decoder of infinite capacity that minimises the distortion on the training
data returns a weighted mean of the training images (paper, Section 2; Alemi et al., 2018; Shu et
al., 2018):

    x̂(z) = Σ_n w_n x_n,  w_n = q(z|x_n) / Σ_n' q(z|x_n').

The perplexity exp H(w) of its weights says how many training images it averages: 1 where it returns
one of them, N where the encoder tells none apart. Letters in shapes: M samples z, N training
examples, P pixels times channels, D latent dimensions.
"""

import math

import numpy as np
import torch
from torch import Tensor

from rdpipe.common.progress import Progress
from rdpipe.evaluation.examples import Encoded, inputs
from rdpipe.evaluation.rate_terms import TILE, log_aggregate_posterior, log_pairs
from rdpipe.evaluation.reconstructions import decode, to_uint8
from rdpipe.neighbours import nearest
from rdpipe.vae.models import VAE, intensities


def optimal_decoder(
    z: Tensor, mean: Tensor, log_variance: Tensor, images: np.ndarray
) -> tuple[Tensor, Tensor]:
    """What the optimal decoder makes of M codes, by the sum over all N training examples.

    Parameters
    ----------
    z
        Codes, float64 (M, D).
    mean, log_variance
        Posteriors of the training examples, float64 (N, D).
    images
        The training images, uint8 (N, H, W, C).

    Returns
    -------
    x̂(z), intensities in [0, 1], float32 (M, P), and the perplexity of its weights, float64 (M,).
    """
    log_total = log_aggregate_posterior(z, mean, log_variance) + math.log(len(mean))  # (M,)
    pixels = torch.zeros(len(z), math.prod(images.shape[1:]), device=z.device)
    entropy = torch.zeros_like(log_total)
    progress = Progress(len(mean), "optimal decoder")
    samples, n = TILE[z.device.type]
    blocks = (tensor.split(n) for tensor in (mean, log_variance))
    for first, *posteriors in zip(range(0, len(mean), n), *blocks, strict=True):
        x = torch.from_numpy(images[first : first + n]).to(z.device).flatten(1)
        weights = []
        tiles = (rows.split(samples) for rows in (z, log_total, entropy))
        for z_rows, total, h in zip(*tiles, strict=True):
            log_w = log_pairs(z_rows, *posteriors) - total[:, None]
            w = log_w.exp()
            h -= (w * log_w).sum(1)  # a view: adds to `entropy`
            weights.append(w.float())
        pixels.addmm_(torch.cat(weights), intensities(x, torch.float32))
        progress.update(len(x))
    return pixels, entropy.exp()


def memorized(inputs: np.ndarray, reconstructions: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Whether each reconstruction is nearer in ℓ2 to some training image than to its own input.

    uint8 (M, H, W, C) twice and (N, H, W, C) -> bool (M,). Distances are exact, and a tie is none.
    """
    difference = reconstructions.reshape(len(inputs), -1).astype(np.int64)
    difference -= inputs.reshape(len(inputs), -1)
    _, square = nearest(train, reconstructions)
    return square < np.square(difference).sum(1)


def measure(vae: VAE, chosen: Encoded, train: Encoded) -> dict[str, float]:
    """Share of the chosen test examples that the run reconstructs as training images.

    A reconstruction, at the posterior mean, counts if it is nearer in ℓ2 to an image of `train`
    than to its own input.
    """
    pixels = decode(vae, chosen.mean)
    if pixels.isnan().any():
        return {"memorization": math.nan}
    reconstructions = to_uint8(pixels, vae.network.image_shape)
    return {"memorization": memorized(chosen.images, reconstructions, train.images).mean().item()}


def measure_optimal_decoder(
    vae: VAE, chosen: Encoded, train: Encoded, random: np.random.Generator
) -> dict[str, float]:
    """How good the optimal decoder is, and how near the run's is to it, at M codes z ~ q(z|x).

    Means over the `chosen` examples: weight_perplexity, how many images of `train` the optimal
    decoder averages; optimal_mse, between its pixels and the input's; optimal_gap, between its
    pixels and those of the run's decoder. `random` draws one z of each example.
    """
    z = chosen.sample(random)
    optimal, perplexity = optimal_decoder(z, train.mean, train.log_variance, train.images)
    x, reconstruction = inputs(vae, chosen.images), decode(vae, z)
    return {
        "weight_perplexity": perplexity.mean().item(),
        "optimal_mse": (optimal - x).square().mean(dtype=torch.float64).item(),
        "optimal_gap": (optimal - reconstruction).square().mean(dtype=torch.float64).item(),
    }
