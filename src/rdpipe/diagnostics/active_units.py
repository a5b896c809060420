"""Active units: the latent dimensions that a run uses, and whether it uses none (collapse).

A unit is active if its posterior mean varies over examples, Var_x(E_q[z_u]) > 0.01 (Burda et al.,
2016). A run without an active unit tells its decoder nothing: it has collapsed.
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch

from rdpipe.diagnostics.runs import Images, Measured, encode, write_metrics
from rdpipe.evaluation.examples import Encoded
from rdpipe.vae.models import VAE

COLUMNS = ("active_units", "collapsed", "posterior_width")
"""Number of active units; 1 if there is none, else 0; standard deviation of q(z_u|x), its mean over
examples and units, in units of z."""


def write_measure(folder: Path, parts: Images, *, run: Path, model: Path, **settings: Any) -> None:
    """Write the measure of one run; `settings` are those of `measure`."""
    write_metrics(folder, parts, COLUMNS, partial(measure, **settings), run=run, model=model)


@torch.inference_mode()
def measure(vae: VAE, parts: Images, beta: float, *, seed: int, threshold: float) -> Measured:
    """The columns COLUMNS of each part, over all of its examples. Nothing is drawn, no β is used.

    `threshold` is the variance of the posterior mean above which a unit is active.
    """
    measured = {}
    for part, images in parts.items():
        encoded = encode(vae, images)
        active = int((activity(encoded) > threshold).sum())
        measured[part] = {
            "active_units": float(active),
            "collapsed": float(not active),
            "posterior_width": (encoded.log_variance / 2).exp().mean().item(),
        }
    return measured


def activity(encoded: Encoded) -> torch.Tensor:
    """The variance of each unit's posterior mean over N examples, (D,)."""
    return encoded.mean.var(0, correction=0)
