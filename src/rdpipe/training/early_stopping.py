"""Early stopping: examples are held out, and each run keeps the state that does best on them.

The paper stops early in Section 4.4 and leaves open how. Here a training goes on to its end, and of
the states it is looked at in, the one with the lowest objective on the held-out examples is its
result. Letters in shapes: R runs, B batch, P pixels times channels, D latent dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rdpipe.training import objectives
from rdpipe.training.engine import Group
from rdpipe.training.objectives import Objective
from rdpipe.vae import streams
from rdpipe.vae.models import VAE, intensities


@dataclass(frozen=True)
class HeldOut:
    """The batches of examples that are not trained on, each with its noise.

    The noise stays the same, so that from one look to the next nothing but the model changes.
    """

    pixels: tuple[Tensor, ...]  # uint8 (B, P) each
    noise: tuple[Tensor, ...]  # float32 (B, D) each


@dataclass
class Best:
    """The best states so far of R runs."""

    held_out: HeldOut
    vae: VAE  # NaN before the first look
    iteration: Tensor  # int64 (R,), 0 before the first look
    objective: Tensor  # float64 (R,), infinite before the first look
    history: Tensor  # float64 (looks, R): the objectives at each look


def hold_out(pixels: Tensor, share: float, batch_size: int, latent: int) -> tuple[Tensor, HeldOut]:
    """Divide the training part, uint8 (N, P), into what is trained on and what is held out.

    The choice is random, and the same for all β and seeds. As the ablations' penalties depend on
    the size of a batch, all held-out batches are of one size, give or take an example: the largest
    up to `batch_size` that leaves none of them over.
    """
    k = max(1, round(share * len(pixels)))
    order = streams.generator(0, streams.HOLD_OUT).permutation(len(pixels))
    noise = streams.generator(0, streams.HELD_OUT_NOISE).standard_normal((k, latent), np.float32)
    rows = torch.from_numpy(order).to(pixels.device)
    held_out = pixels[rows[:k]], torch.from_numpy(noise).to(pixels.device)
    n_batches = -(-k // batch_size)
    return pixels[rows[k:]], HeldOut(*(part.tensor_split(n_batches) for part in held_out))


def new_best(held_out: HeldOut, vae: VAE, runs: int) -> Best:
    """Before the first look at R runs."""
    nothing = {name: torch.full_like(p.detach(), torch.nan) for name, p in vae.parameters.items()}
    return Best(
        held_out,
        VAE(vae.network, nothing),
        iteration=torch.zeros(runs, dtype=torch.int64),
        objective=torch.full((runs,), torch.inf, dtype=torch.float64),
        history=torch.empty(0, runs, dtype=torch.float64),
    )


@torch.no_grad()
def look(best: Best, groups: Sequence[Group], iteration: int) -> None:
    """Keep the runs' parameters after an iteration where they are the best so far."""
    values = torch.cat([validate(g.objective, g.vae, best.held_out) for g in groups]).cpu()
    better = values < best.objective  # (R,), false for NaN
    best.objective = torch.where(better, values, best.objective)
    best.iteration = torch.where(better, iteration, best.iteration)
    best.history = torch.cat((best.history, values[None]))
    for name, kept in best.vae.parameters.items():
        now = torch.cat([group.vae.parameters[name] for group in groups])
        where = better.to(now.device)
        kept[where] = now[where]


@torch.no_grad()
def validate(objective: Objective, vae: VAE, held_out: HeldOut) -> Tensor:
    """The objective on the held-out examples in nats: float64 (R,)."""
    total = torch.zeros_like(objective.beta, dtype=torch.float64)
    for pixels, noise in zip(held_out.pixels, held_out.noise, strict=True):
        x, epsilon = intensities(pixels[None], vae.dtype), noise[None].to(vae.dtype)
        distortion, _, penalty = objectives.terms(objective, vae, x, epsilon)
        total += len(pixels) * objective.total(distortion, penalty)
    return total / sum(map(len, held_out.pixels))
