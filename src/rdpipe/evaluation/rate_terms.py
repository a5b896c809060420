"""How the rate divides: R = I(x;z) + KL(q(z)‖p(z)) (paper, equation 5 and Section 4.5).

Both terms rest on the aggregate posterior q(z) = 1/N Σ_n q(z|x_n) of N training examples, here by
the full sum over N and by the paper's estimate from a batch. All functions take float64 tensors:
at β = 0.001 posteriors are 0.0015 wide, and in float32 their densities are wrong by nats. All
values are in nats; M samples z, N posteriors, B in a batch, D latent dimensions.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from rdpipe.evaluation.examples import Encoded
from rdpipe.vae.densities import LOG_2PI, log_aggregate_posterior_batch, log_densities

# Samples and posteriors of a tile of pairs. On a CPU its 1 MB (in float64) stays in a core's cache
# over all passes: measured fastest. A GPU wants more to do for each launch.
TILE = {"cpu": (128, 1024), "cuda": (2048, 8192)}
NARROW = 1e8  # mean / width from which on a difference in widths is wrong by 1e-8


@dataclass(frozen=True)
class Decomposition:
    """Mutual information I(x;z) and marginal KL(q(z)‖p(z)) with their standard errors, in nats."""

    mutual_information: float
    mutual_information_se: float
    marginal_kl: float
    marginal_kl_se: float


LogPrior = Callable[[Tensor], Tensor]
"""log p(z) of a run in nats: float64 (M, D) -> (M,)."""


def measure(
    train: Encoded, log_prior: LogPrior, random: np.random.Generator, outer: int, batch: int
) -> dict[str, float]:
    """I(x;z) and KL(q(z)‖p(z)) in nats, by the full sum and from batches (Section 4.5).

    Parameters
    ----------
    train
        The N training examples.
    log_prior
        The run's prior.
    random
        Draws the examples and their samples.
    outer
        Examples, one sample each, that the outer mean is over; all N if there are fewer.
    batch
        Samples in a batch of the paper's estimate.
    """
    own = train.choose(random, outer)
    z = own.sample(random)
    log_q = log_aggregate_posterior(z, train.mean, train.log_variance)
    log_p = log_prior(z)
    full = decompose(z, own.mean, own.log_variance, log_q, log_p)
    batches = decompose_batches(z, own.mean, own.log_variance, log_p, len(train.images), batch)
    return asdict(full) | {
        "mutual_information_batch": batches.mutual_information,
        "marginal_kl_batch": batches.marginal_kl,
    }


def log_aggregate_posterior(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Exact log q(z_m) = log 1/N Σ_n q(z_m|x_n), the sum over all N posteriors.

    z (M, D), mean and log_variance (N, D) -> (M,). Memory does not grow with M·N.
    """
    samples, n = TILE[z.device.type]
    rows = []
    for z_rows in z.split(samples):
        total = z.new_full((len(z_rows),), -math.inf)
        for posteriors in zip(mean.split(n), log_variance.split(n), strict=True):
            total = torch.logaddexp(total, log_pairs(z_rows, *posteriors).logsumexp(1))
        rows.append(total - math.log(len(mean)))
    return torch.cat(rows)


def decompose(
    z: Tensor, mean: Tensor, log_variance: Tensor, log_q: Tensor, log_p: Tensor
) -> Decomposition:
    """I(x;z) = E[log q(z|x) - log q(z)] and KL(q(z)‖p(z)) = E[log q(z) - log p(z)].

    z, mean, log_variance (M, D), z_m drawn from posterior m; log_q (M,) = log q(z_m), log_p (M,) =
    log p(z_m). The standard errors are those of a mean of M independent terms. Drawing the M of N
    examples without replacement makes the truth a little smaller; nothing is taken off for that.
    """
    information = _log_own(z, mean, log_variance) - log_q  # (M,)
    marginal = log_q - log_p  # (M,)
    return Decomposition(*_mean_and_error(information), *_mean_and_error(marginal))


def decompose_batches(
    z: Tensor, mean: Tensor, log_variance: Tensor, log_p: Tensor, n: int, batch: int
) -> Decomposition:
    """The paper's decomposition: q(z) from batches of the samples' own posteriors.

    z, mean, log_variance (M, D), z_m drawn from posterior m, in random order, of `n` in all; log_p
    (M,) as in `decompose`. The M
    samples are cut into batches of `batch` (of M, where M < batch); what is left over after the
    last whole batch is not used, since a smaller batch is another estimator. Samples of one batch
    share their estimate of q(z), so the standard errors are only approximate here.
    """
    batch = min(batch, len(z))
    whole = len(z) // batch * batch
    z, mean, log_variance, log_p = (part[:whole] for part in (z, mean, log_variance, log_p))
    samples = (z, mean, log_variance, _log_own(z, mean, log_variance))
    batches = zip(*(part.split(batch) for part in samples), strict=True)
    log_q = [log_aggregate_posterior_batch(a, b, c, own, n) for a, b, c, own in batches]
    return decompose(z, mean, log_variance, torch.cat(log_q), log_p)


def _log_own(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log-density of samples under their own posteriors, (M, D) each -> (M,).

    By the very arithmetic of q(z): where posteriors are so narrow that float64 rounds, both round
    alike, and I(x;z) cannot exceed log N.
    """
    return log_pairs(z, mean, log_variance, own=True)


def log_pairs(z: Tensor, mean: Tensor, log_variance: Tensor, *, own: bool = False) -> Tensor:
    """Pairwise log N(z_m; mean_n, exp log_variance_n), exact for posteriors of any width.

    z (M, D), mean and log_variance (N, D) -> (M, N), or (N,) if each sample has its own posterior.
    `log_densities` takes differences in units of the width. Their rounding is that of mean / width,
    so it makes a posterior of width 1e-20 unlikely at its own mean. Small β leads to such
    posteriors now and then. They are few, and their differences are taken before the division.
    """
    places = (z[:, None], mean[:, None], log_variance[:, None]) if own else (z, mean, log_variance)
    pairs = log_densities(*places)
    pairs = pairs[:, 0, 0] if own else pairs
    narrow = (mean.abs() * torch.exp(-0.5 * log_variance) > NARROW).any(1)  # (N,)
    if narrow.any():
        mean, log_variance = mean[narrow], log_variance[narrow]
        difference = z[narrow] - mean if own else z[:, None] - mean
        widths = difference * torch.exp(-0.5 * log_variance)
        pairs[..., narrow] = -0.5 * (widths.square() + log_variance + LOG_2PI).sum(-1)
    return pairs


def _mean_and_error(terms: Tensor) -> tuple[float, float]:
    """Mean of M terms and its standard error; NaN for the error of a single term."""
    error = terms.std().item() / math.sqrt(len(terms)) if len(terms) > 1 else math.nan
    return terms.mean().item(), error
