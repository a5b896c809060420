"""Log-densities of posteriors q(z|x), of parts of priors p(z), and of q(z) as a batch shows it.

All values are in nats. Leading axes (of runs, say) are written "…"; M samples z, N posteriors, B in
a batch, K components, D latent dimensions. Every function can be differentiated.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def log_own_posterior(noise: Tensor, log_variance: Tensor) -> Tensor:
    """Log-density of a posterior at its own sample mean + √variance · noise; (…, D) -> (…).

    From the noise itself: in float32, a sample of a posterior much narrower than its mean is the
    mean, and the noise cannot be had back from it.
    """
    return -0.5 * (noise.square() + log_variance + LOG_2PI).sum(-1)


def log_standard_normal(z: Tensor) -> Tensor:
    """Log N(z; 0, 1); (…, D) -> (…)."""
    return -0.5 * (z.square() + LOG_2PI).sum(-1)


def sampled_rate(log_variance: Tensor, log_prior: Tensor) -> Tensor:
    """R = −H(q(z|x)) − log p(z), from the prior's density at a sample z of each posterior.

    The entropy is exact. Only log p(z) is sampled: the difference of two sampled densities would
    have D/2 nats² more variance. log_variance (…, D), log_prior (…) -> (…).
    """
    return -0.5 * (log_variance + 1 + LOG_2PI).sum(-1) - log_prior


def log_mixture(
    log_weight: Tensor | float, mean: Tensor, log_variance: Tensor
) -> Callable[[Tensor], Tensor]:
    """The function z -> log Σ_k w_k N(z; m_k, v_k); (…, M, D) -> (…, M).

    log_weight (…, 1, K) or one number, mean and log_variance (…, K, D). Densities are products over
    dimensions before they are summed over components. The other order would be a product of
    one-dimensional mixtures, which is another density.
    """

    def of(z: Tensor) -> Tensor:
        return (log_densities(z, mean, log_variance) + log_weight).logsumexp(-1)

    return of


def log_densities(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Pairwise log N(z_m; mean_n, exp log_variance_n).

    z (…, M, D), mean and log_variance (…, N, D) -> (…, M, N). Differences are taken in units of the
    width and squared, one latent dimension at a time. Expanding the square into a matrix product is
    3.5 times faster, but cancels: in float64 wrong by 1e-8 nats for posteriors 0.0015 wide, by 1e-2
    at 1e-6, where this form has errors of 1e-12 and 1e-9.
    """
    precision = torch.exp(-0.5 * log_variance).mT.contiguous()[..., None, :]  # (…, D, 1, N)
    centre = mean.mT[..., None, :] * precision  # (…, D, 1, N)
    squares = z.new_zeros(*z.shape[:-1], mean.shape[-2])  # (…, M, N)
    each = z[..., None].unbind(-2), precision.unbind(-3), centre.unbind(-3)
    for z_d, precision_d, centre_d in zip(*each, strict=True):  # (…, M, 1), (…, 1, N) twice
        distance = torch.addcmul(-centre_d, z_d, precision_d)  # (…, M, N), in widths
        squares.addcmul_(distance, distance)
    log_peak = -0.5 * (log_variance + LOG_2PI).sum(-1)  # (…, N)
    return torch.add(log_peak[..., None, :], squares, alpha=-0.5)


def log_aggregate_posterior_batch(
    z: Tensor, mean: Tensor, log_variance: Tensor, log_own: Tensor, n: int
) -> Tensor:
    """Estimate log q(z_b) from a random batch of B of `n` posteriors (Esmaeili et al., 2019).

    q(z_b) ≈ 1/N q(z_b|x_b) + (N-1)/(N(B-1)) Σ_{b'≠b} q(z_b|x_b'), which keeps a sample's own
    posterior at its true weight, so that I(x;z) saturates at log N as it should, not at log B.
    z, mean, log_variance (…, B, D), z_b drawn from posterior b; log_own (…, B) is its log-density
    there; B ≥ 2 unless n = 1 -> (…, B).
    """
    size = z.shape[-2]
    own = torch.eye(size, dtype=torch.bool, device=z.device)
    log_weight = math.log((n - 1) / (n * max(size - 1, 1))) if n > 1 else -math.inf  # of each other
    pairs = log_densities(z, mean, log_variance) + log_weight  # (…, B, B)
    return torch.where(own, log_own[..., None] - math.log(n), pairs).logsumexp(-1)
