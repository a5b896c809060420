"""The inference gap: what the encoder's posteriors lose against posteriors fitted one by one.

An encoder shares its parameters among all examples, so its q(z|x) is not the best Gaussian for an
example (Cremer et al., 2018), least so for new ones (Zhang et al., 2022). Here the decoder is
fixed, and mean and log-variance of each example are fitted to the objective of its training,

    D + β R = −E_q[log p(x|z)] + β KL(q(z|x)‖p(z)).

What the fitted posteriors gain is the fault of inference; what D they leave is the decoder's. The
objective is this one for ablations, too, whose own is not that of an example.

Letters in shapes: N examples, P pixels times channels, D latent dimensions, S samples.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from rdpipe.common.progress import Progress
from rdpipe.diagnostics.runs import (
    Images,
    Measured,
    encode,
    mean_and_error,
    with_errors,
    write_metrics,
)
from rdpipe.evaluation.examples import inputs
from rdpipe.vae import streams
from rdpipe.vae.densities import sampled_rate
from rdpipe.vae.models import VAE, sample

COLUMNS = (
    *with_errors("inference_gap", "inference_gap_distortion", "inference_gap_rate"),
    *with_errors("fitted_objective", "fitted_distortion", "fitted_rate"),
    "inference_steps",
)
"""The gap in the objective, D and R: encoder minus fitted, nats. Then the three with the fitted
posterior, and the number of steps that fitting took."""

CHOICE, STEPS, CHECK, MEASURE = range(100, 104)  # what numbers are drawn for
# Learning rates of Adam, one after another, in units of z and of log-variance. Posteriors at small
# β are 0.001 wide, so only small steps find them; large ones go the way that is left to go.
RATES = (0.03, 0.01, 0.003, 0.001, 0.0003)
WINDOW = 50  # steps between two looks
TOLERANCE = 0.01  # nats an example: a window that gains less ends its rate


@dataclass(frozen=True)
class Posteriors:
    """Means and log-variances of N examples, float64 (N, D) each, and the steps behind them."""

    mean: Tensor
    log_variance: Tensor
    steps: int = 0

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Mean and log-variance."""
        return self.mean, self.log_variance


def write_measure(folder: Path, parts: Images, *, run: Path, model: Path, **settings: Any) -> None:
    """Write the measure of one run; `settings` are those of `measure`."""
    write_metrics(folder, parts, COLUMNS, partial(measure, **settings), run=run, model=model)


def measure(
    vae: VAE, parts: Images, beta: float, *, seed: int, images: int, samples: int, steps: int
) -> Measured:
    """The columns COLUMNS of each part.

    Both posteriors are measured with the same noise. It is neither that of the steps nor that of
    the looks, so a lucky draw does not flatter the fitted ones.

    Parameters
    ----------
    vae
        One run.
    parts
        The images of each part.
    beta
        Its β.
    seed
        Seed of the noise and of the choice of examples.
    images
        Examples of each part; all, if there are fewer.
    samples
        Samples z of each posterior, in looks and in the measurement.
    steps
        The most steps of Adam.
    """
    measured = {}
    for index, (part, pixels) in enumerate(parts.items()):
        rows = streams.generator(seed, CHOICE, index).permutation(len(pixels))[:images]
        with torch.no_grad():
            chosen = encode(vae, pixels[rows])
        x = inputs(vae, chosen.images)
        encoder = Posteriors(chosen.mean, chosen.log_variance)
        draws = [streams.generator(seed, use, index) for use in (STEPS, CHECK, MEASURE)]
        check = _noise(draws[1], samples, encoder)
        fitted = fit(vae, x, encoder, beta, draws[0], check, steps)
        noise = _noise(draws[2], samples, encoder)
        of_encoder, of_fitted = (terms(vae, x, each, beta, noise) for each in (encoder, fitted))
        measured[part] = {"inference_steps": float(fitted.steps)}
        for name, mine, best in zip(
            ("", "_distortion", "_rate"), of_encoder, of_fitted, strict=True
        ):
            measured[part] |= mean_and_error(mine - best, f"inference_gap{name}")
            measured[part] |= mean_and_error(best, f"fitted{name or '_objective'}")
    return measured


def fit(
    vae: VAE,
    x: Tensor,
    start: Posteriors,
    beta: float,
    random: np.random.Generator,
    check: Tensor,
    steps: int,
) -> Posteriors:
    """Fit a posterior to each example alone, with Adam on mean and log-variance.

    Each step has fresh noise. After a window of steps, the objective is looked at with the noise
    `check`, and each example keeps the best posterior that was seen. So none is worse than `start`
    on that noise. A rate ends with a window that gains less than TOLERANCE in the mean; the next
    one starts from the best.

    Parameters
    ----------
    vae
        One run; its decoder and prior stay as they are.
    x
        Intensities (N, P).
    start
        The encoder's posteriors.
    beta
        Its β.
    random
        Draws the noise of the steps.
    check
        Standard normal noise (S, N, D).
    steps
        The most steps.
    """
    best = start
    lowest = terms(vae, x, start, beta, check)[0]
    progress = Progress(steps, "fitted posteriors")
    taken = 0
    for rate in RATES:
        gained = True
        current = [tensor.to(vae.dtype, copy=True).requires_grad_() for tensor in best.tensors()]
        first, second = ([torch.zeros_like(tensor) for tensor in current] for _ in range(2))
        counts = [torch.zeros(()) for _ in current]
        while gained and taken + WINDOW <= steps:
            for _ in range(WINDOW):
                gradients = _gradients(vae, x, current, beta, random)
                with torch.no_grad():  # the class would import a compiler, for seconds
                    adam(
                        current, gradients, first, second, [], counts, amsgrad=False, beta1=0.9,
                        beta2=0.999, lr=rate, weight_decay=0.0, eps=1e-8, maximize=False,
                    )  # fmt: skip
            taken += WINDOW
            progress.update(WINDOW)
            mean, log_variance = (tensor.detach().double() for tensor in current)
            value = terms(vae, x, Posteriors(mean, log_variance), beta, check)[0]
            better = value < lowest  # NaN is not
            before, lowest = lowest, torch.where(better, value, lowest)
            best = Posteriors(
                torch.where(better[:, None], mean, best.mean),
                torch.where(better[:, None], log_variance, best.log_variance),
                taken,
            )
            gained = bool((before - lowest).mean() >= TOLERANCE)
    return best


def _gradients(
    vae: VAE, x: Tensor, current: list[Tensor], beta: float, random: np.random.Generator
) -> list[Tensor]:
    """Those of mean and log-variance, of the sum over examples: Adam then fits each alone."""
    mean, log_variance = current
    draws = torch.from_numpy(random.standard_normal(mean.shape, dtype=np.float32)).to(mean)
    z = sample(mean, log_variance, draws)
    nats = vae.nats(vae.decode(z[None]), x[None]).sum()
    rate = vae.rate(mean[None], log_variance[None], z[None]).sum()
    return list(torch.autograd.grad(nats + beta * rate, current))


@torch.no_grad()
def terms(
    vae: VAE, x: Tensor, posteriors: Posteriors, beta: float, noise: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """D + β R, D and R of each example in nats, float64 (N,) each, as means over noise (S, N, D).

    R is exact if the prior has a closed form.
    """
    mean, log_variance = posteriors.mean, posteriors.log_variance
    distortion, rate = torch.zeros_like(mean[:, 0]), torch.zeros_like(mean[:, 0])
    log_prior = vae.log_prior(torch.float64)
    for draws in noise:
        z = sample(mean, log_variance, draws)
        nats = vae.nats(vae.decode(z.to(vae.dtype)[None]), x[None])[0]
        distortion += nats.sum(1, dtype=torch.float64) / len(noise)
        if not vae.network.prior.rate:
            rate += sampled_rate(log_variance, log_prior(z[None])[0]) / len(noise)
    if vae.network.prior.rate:
        rate = vae.network.prior.rate(mean, log_variance)
    return distortion + beta * rate, distortion, rate


def _noise(random: np.random.Generator, samples: int, posteriors: Posteriors) -> Tensor:
    """Standard normal noise, float64 (S, N, D)."""
    shape = (samples, *posteriors.mean.shape)
    return torch.from_numpy(random.standard_normal(shape)).to(posteriors.mean)
