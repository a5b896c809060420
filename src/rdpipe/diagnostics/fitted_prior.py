"""The rate under a better prior: a mixture of Gaussians, fitted to the codes after training.

R = I(x;z) + KL(q(z)‖p(z)) for any prior. A mixture near q(z) lowers the second term and leaves the
first, with no retraining (Dai and Wipf, 2019): the rate that it saves was a mismatch of p(z).

Letters in shapes: M samples z, N examples, D latent dimensions.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from rdpipe.diagnostics.runs import (
    Images,
    Measured,
    encode,
    mean_and_error,
    with_errors,
    write_metrics,
)
from rdpipe.evaluation.examples import Encoded, log_prior_of
from rdpipe.evaluation.rate_terms import log_aggregate_posterior
from rdpipe.vae import streams
from rdpipe.vae.densities import sampled_rate
from rdpipe.vae.models import VAE

COLUMNS = (
    "mixture_components",
    *with_errors("mixture_rate", "mixture_saving", "mixture_marginal_kl"),
)
"""Number of Gaussians; R under the mixture; what it saves of the run's own R; KL(q(z)‖mixture). In
nats, but for the first."""

CHOICE, SAMPLE, OUTER = range(120, 123)  # what numbers are drawn for
HELD_OUT = 0.2  # share of the codes that choose the number of components
ITERATIONS = 100  # of EM at most; the held-out codes judge what was reached

LogDensity = Callable[[Tensor], Tensor]
"""log m(z) in nats: float64 (M, D) -> (M,)."""


def write_measure(folder: Path, parts: Images, *, run: Path, model: Path, **settings: Any) -> None:
    """Write the measure of one run; `settings` are those of `measure`."""
    write_metrics(folder, parts, COLUMNS, partial(measure, **settings), run=run, model=model)


@torch.inference_mode()
def measure(
    vae: VAE,
    parts: Images,
    beta: float,
    *,
    seed: int,
    images: int,
    components: Sequence[int],
    outer: int,
) -> Measured:
    """The columns COLUMNS of each part; the mixture is fitted to the training part. No β is used.

    Parameters
    ----------
    vae
        One run.
    parts
        The images of each part.
    seed
        Seed of the choice of examples, of their codes, and of the fits.
    images
        Examples of each part whose codes are fitted to, and behind the rate.
    components
        Numbers of Gaussians to try.
    outer
        Examples behind the marginal KL. Its aggregate posterior is that of the whole part.
    """
    encoded = {part: encode(vae, pixels) for part, pixels in parts.items()}
    random = streams.generator(seed, CHOICE)
    codes = encoded["train"].choose(random, images).sample(random)
    chosen, log_density = fit(codes, components, seed)
    measured = {}
    for index, (part, all_of_part) in enumerate(encoded.items()):
        random = streams.generator(seed, SAMPLE, index)
        own = all_of_part.choose(random, images)
        z = own.sample(random)
        rate = sampled_rate(own.log_variance, log_density(z))
        saving = _own_rate(vae, own, z) - rate
        measured[part] = (
            {"mixture_components": float(chosen)}
            | mean_and_error(rate, "mixture_rate")
            | mean_and_error(saving, "mixture_saving")
            | _marginal_kl(all_of_part, log_density, streams.generator(seed, OUTER, index), outer)
        )
    return measured


def fit(codes: Tensor, components: Sequence[int], seed: int) -> tuple[int, LogDensity]:
    """Fit a mixture with full covariances to M codes, float64 (M, D).

    The number of components is that which makes codes most likely that were not fitted to. A count
    above what there are codes is left out. Returns the number and the log-density.
    """
    z = codes.cpu().numpy()
    held = max(1, int(HELD_OUT * len(z)))
    fits = {}
    for k in components:
        if k > len(z) - held:
            continue
        # "k-means++" alone draws from the seed; k-means would add up in an order of its threads
        mixture = GaussianMixture(
            k, init_params="k-means++", max_iter=ITERATIONS, random_state=seed % 2**32
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(z[held:])
        fits[k] = float(mixture.score(z[:held])), mixture
    best = max(fits, key=lambda k: fits[k][0])

    def log_density(z: Tensor) -> Tensor:
        return torch.from_numpy(fits[best][1].score_samples(z.cpu().numpy())).to(z)

    return best, log_density


def _own_rate(vae: VAE, own: Encoded, z: Tensor) -> Tensor:
    """R of each example under the run's own prior, (N,): exact, or from the samples z."""
    if vae.network.prior.rate:
        return vae.network.prior.rate(own.mean, own.log_variance)
    return sampled_rate(own.log_variance, log_prior_of(vae)(z))


def _marginal_kl(
    part: Encoded, log_density: LogDensity, random: np.random.Generator, outer: int
) -> dict[str, float]:
    """KL(q(z)‖mixture) of a part, and its standard error."""
    z = part.choose(random, outer).sample(random)
    log_q = log_aggregate_posterior(z, part.mean, part.log_variance)
    return mean_and_error(log_q - log_density(z), "mixture_marginal_kl")
