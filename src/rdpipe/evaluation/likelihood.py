"""log p(x) by importance sampling, with q(z|x) as the proposal (paper, Sections 2 and 4.4).

The estimate from K samples is the logarithm of their mean weight (Burda et al., 2016):

    log p(x) ≈ log 1/K Σ_k w_k,  w_k = p(x|z_k) p(z_k) / q(z_k|x),  z_k ~ q(z|x).

On average it is a lower bound, the ELBO at K = 1, that rises to log p(x) as K grows. Where the
encoder's q(z|x) is narrower than the model's p(z|x), as at small β, few samples carry the weight
and the bound is loose: the effective sample size (Σw)²/Σw² and the trend over K show it.

Letters in shapes: N images, P pixels times channels, D latent dimensions, K samples. Networks run
in the precision of their weights, all else is float64; values are in nats.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from rdpipe.common.progress import Progress
from rdpipe.evaluation.examples import BLOCK, log_prior_of
from rdpipe.vae.densities import log_own_posterior
from rdpipe.vae.models import VAE, sample

SAMPLES = 2048  # decoded at a time: products of many rows are faster than products of few
# Outputs of hidden layers that are in memory at a time, by kind of device. On a CPU these are 8 MB
# in float32: a convolution is slower where its maps leave the cache.
HIDDEN = {"cpu": 2**21, "cuda": 2**25}


def columns(samples: Sequence[int]) -> list[str]:
    """Names of the metrics, three for each number of samples K: estimate, its error, ESS.

    Last comes the ELBO of the same images, the mean of their log-weights, to compare them with.
    """
    each = [f"log_likelihood_{k}{metric}" for k in samples for metric in ("", "_se", "_ess")]
    return [*each, "log_likelihood_elbo"] if samples else []


def measure(
    vae: VAE,
    x: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    random: np.random.Generator,
    samples: Sequence[int],
) -> dict[str, float]:
    """Mean of log p(x) over N images in nats, its standard error, and the mean ESS, for each K.

    A smaller K reuses the first samples of a larger K, so that a trend over K is no accident of the
    draw.

    Parameters
    ----------
    vae
        One run.
    x
        Intensities in [0, 1], (N, P), of its type and on its device.
    mean, log_variance
        The images' posteriors, float64 (N, D).
    random
        The source of the samples' standard normal noise.
    samples
        Ascending numbers of samples K.

    Returns
    -------
    The metrics by the names that `columns` gives them.
    """
    if not samples:
        return {}
    progress = Progress(len(x), "log p(x)")
    each, elbo = [], x.new_zeros((), dtype=torch.float64)
    images = max(1, _decoded_at_a_time(vae) // samples[-1])
    log_prior = log_prior_of(vae)
    parts = (tensor.split(images) for tensor in (x, mean, log_variance))
    for x_part, means, log_variances in zip(*parts, strict=True):
        shape = (len(x_part), samples[-1], vae.network.latent)
        noise = torch.from_numpy(random.standard_normal(shape, dtype=np.float32)).to(mean)
        log_w = log_weights(vae, x_part, means, log_variances, noise, log_prior)
        each.append(estimate(log_w, samples))
        elbo += log_w.mean(1).sum()
        progress.update(len(x_part))
    log_p, ess = (torch.cat(values) for values in zip(*each, strict=True))  # (N, K's) each
    error = (log_p.var(0, correction=0) / (len(x) - 1)).sqrt()  # NaN for one image
    values = torch.stack([log_p.mean(0), error, ess.mean(0)], 1).flatten()  # (K's · 3,)
    return dict(zip(columns(samples), [*values.tolist(), float(elbo / len(x))], strict=True))


def log_weights(
    vae: VAE,
    x: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    noise: Tensor,
    log_prior: Callable[[Tensor], Tensor],
) -> Tensor:
    """Logarithms of the weights p(x|z) p(z) / q(z|x) of K samples z of each posterior.

    x (N, P), float64 mean and log_variance (N, D), standard normal noise (N, K, D), and log p(z) of
    the run -> (N, K), nats.
    """
    posterior = mean[:, None], log_variance[:, None]  # (N, 1, D)
    z = sample(*posterior, noise)  # (N, K, D)
    log_x = []
    rows, block = (max(1, n // len(x)) for n in (_decoded_at_a_time(vae), BLOCK[x.device.type]))
    for z_part in z.to(x.dtype).split(rows, 1):
        outputs = vae.decode(z_part.flatten(0, 1)[None])[0]  # (N·k, P)
        outputs = outputs.unflatten(0, z_part.shape[:2])  # (N, k, P)
        log_x += [vae.log_likelihood(part, x[:, None]) for part in outputs.split(block, 1)]
    return torch.cat(log_x, 1) + log_prior(z) - log_own_posterior(noise, posterior[1])


def _decoded_at_a_time(vae: VAE) -> int:
    """Number of samples."""
    outputs = sum(math.prod(layer.outputs) for layer in vae.network.decoder)
    return max(1, min(SAMPLES, HIDDEN[vae.device.type] // outputs))


def estimate(log_w: Tensor, samples: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Estimate log p(x) of N images, in nats, and the ESS in [1, K], from their first K weights.

    log_w (N, K of the largest) -> (N, number of K's) each.
    """
    log_p, ess = [], []
    for k in samples:
        first = log_w[:, :k]
        log_sum = first.logsumexp(1)
        log_p.append(log_sum - math.log(k))
        ess.append((2 * log_sum - (2 * first).logsumexp(1)).exp())
    return torch.stack(log_p, 1), torch.stack(ess, 1)
