"""Distortion, rate and what follows from them, on one part of a split (paper, Equation 3).

Letters in shapes: N examples of a part, B in a block, P pixels times channels, D latent dimensions.
"""

import math

import numpy as np
import torch
from torch import Tensor

from rdpipe.common.progress import Progress
from rdpipe.evaluation.examples import BLOCK, Encoded, Part, inputs, log_prior_of
from rdpipe.vae.densities import sampled_rate
from rdpipe.vae.models import VAE, sample

SAMPLES = 8  # of each posterior, behind a rate without a closed form


def measure(
    vae: VAE, part: Part, noise: np.random.Generator, random: np.random.Generator, label: str
) -> tuple[dict[str, float], Encoded]:
    """D, R, ELBO, excess distortion and MSE of one run on one part, which it encodes.

    D = −E[log p(x|z)] and the MSE (mean over pixels and channels) take one sample z of each
    posterior. R = KL(q(z|x)‖p(z)) comes from `rate`. The ELBO is that of β = 1, −D − R. The excess
    distortion is D minus the images' entropy; it is NaN if the likelihood is a density, whose D has
    no lower bound. All but the MSE are in nats.

    Parameters
    ----------
    vae
        One run.
    part
        N images.
    noise
        The source of the samples' standard normal noise.
    random
        The source of the noise of further samples, if R has no closed form.
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
        outputs = vae.decode(sample(mean, log_variance, draws))  # (1, B, P)
        distortion += vae.nats(outputs, x).sum(dtype=torch.float64).item()
        means = vae.network.likelihood.mean(outputs)
        squares += (means - x).square_().sum(dtype=torch.float64).item()
        rows.copy_(torch.cat([mean, log_variance]))
        progress.update(x.shape[1])
    d = distortion / len(part.images)
    r, error = rate(vae, posteriors[0], posteriors[1], random)
    bounded = vae.network.likelihood.bounded
    metrics = {
        "distortion": d,
        "rate": r,
        "rate_se": error,
        "elbo": -d - r,
        "excess_distortion": d - part.entropy if bounded else math.nan,
        "mse": squares / part.images.size,
    }
    return metrics, Encoded(part.images, *posteriors)


def rate(
    vae: VAE, mean: Tensor, log_variance: Tensor, random: np.random.Generator
) -> tuple[float, float]:
    """Mean R of one run over N examples in nats, and its standard error.

    With a closed form, R is exact and the error is 0. Else log p(z) is averaged over SAMPLES
    samples z of each posterior. The error is that of these samples alone: the examples are all that
    the part has. mean and log_variance: float64 (N, D).
    """
    if vae.network.prior.rate:
        exact = vae.network.prior.rate(mean, log_variance).mean().item()
        return exact, 0.0 if math.isfinite(exact) else math.nan
    log_prior, each, variances = log_prior_of(vae), [], []
    size = BLOCK[mean.device.type]
    for means, log_variances in zip(mean.split(size), log_variance.split(size), strict=True):
        shape = (len(means), SAMPLES, means.shape[1])
        draws = torch.from_numpy(random.standard_normal(shape, dtype=np.float32)).to(means)
        log_p = log_prior(sample(means[:, None], log_variances[:, None], draws))  # (B, SAMPLES)
        each.append(sampled_rate(log_variances, log_p.mean(1)))
        variances.append(log_p.var(1))
    error = torch.cat(variances).sum().div(SAMPLES).sqrt() / len(mean)
    return torch.cat(each).mean().item(), error.item()
