"""Distortion, rate and what follows from them, on one part of a split (paper, Equation 3).

Letters in shapes: N examples of a part, B in a block, P pixels times channels, D latent dimensions.
"""

import numpy as np
import torch

from rdpipe.common.progress import Progress
from rdpipe.evaluation.examples import BLOCK, Encoded, Part, inputs
from rdpipe.vae import bernoulli
from rdpipe.vae.models import VAE, rate, sample


def measure(
    vae: VAE, part: Part, noise: np.random.Generator, label: str
) -> tuple[dict[str, float], Encoded]:
    """D, R, ELBO, excess distortion and MSE of one run on one part, which it encodes.

    D = −E[log p(x|z)] and the MSE (mean over pixels and channels) take one sample z of each
    posterior, R = KL(q(z|x)‖p(z)) is exact, the ELBO is that of β = 1, −D − R, and the excess
    distortion is D minus the images' entropy. All but the MSE are in nats.

    Parameters
    ----------
    vae
        One run.
    part
        N images.
    noise
        The source of the samples' standard normal noise.
    label
        Name of the part in the log.
    """
    progress = Progress(len(part.images), f"evaluation on {label}")
    distortion = squares = 0.0
    # made once: many small tensors kept between the big ones would scatter the heap over gigabytes
    shape = (2, len(part.images), vae.network.latent)
    posteriors = torch.empty(shape, dtype=torch.float64, device=vae.device)
    size = BLOCK[posteriors.device.type]
    firsts = range(0, len(part.images), size)
    for first, rows in zip(firsts, posteriors.split(size, 1), strict=True):
        x = inputs(vae, part.images[first : first + size])[None]  # (1, B, P)
        mean, log_variance = vae.encode(x)  # (1, B, D)
        draws = torch.from_numpy(noise.standard_normal(mean.shape, dtype=np.float32)).to(mean)
        logits = vae.decode(sample(mean, log_variance, draws))  # (1, B, P)
        distortion += bernoulli.nats(logits, x).sum(dtype=torch.float64).item()
        squares += (logits.sigmoid_() - x).square_().sum(dtype=torch.float64).item()
        rows.copy_(torch.cat([mean, log_variance]))
        progress.update(x.shape[1])
    d, r = distortion / len(part.images), rate(*posteriors).mean().item()
    metrics = {
        "distortion": d,
        "rate": r,
        "elbo": -d - r,
        "excess_distortion": d - part.entropy,
        "mse": squares / part.images.size,
    }
    return metrics, Encoded(part.images, *posteriors)
