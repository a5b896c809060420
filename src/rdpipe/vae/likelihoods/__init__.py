"""Likelihoods p(x|z) of VAEs: what one is. Each is a module of this package, found by its name.

The module of a likelihood has a constant `LIKELIHOOD`. Adding one takes its module, and its name
in `rdpipe.study.settings.archs`. Modules import PyTorch only where they compute, so that a study
can be counted without it.

Letters in shapes: R runs, B batch, P pixels times channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def _any_images(pixels: Tensor) -> None:
    """Accept all images."""


@dataclass(frozen=True)
class Likelihood:
    """A likelihood of intensities in [0, 1].

    Attributes
    ----------
    nats
        −log p(x|z) of every pixel and channel, (…, P), from what the decoder returns, from x of the
        same shape or one that broadcasts, and from the likelihood's own parameters in their order.
    log_density
        log p(x|z) in nats from the same, the sum over pixels and channels, float64 (…). It may
        overwrite what the decoder returned.
    mean
        Mean intensities of x from what the decoder returns, which it may overwrite; (…) -> (…).
    parameters
        Its own parameters, one number each, with their initial values. Names begin with
        `likelihood.`.
    bounded
        Whether D has a lower bound: the Bernoulli entropy of the images. The D of a density over
        intensities has none.
    check
        Raises an RdpipeError if the likelihood cannot score images, uint8 (N, P).
    """

    nats: Callable[..., Tensor]
    log_density: Callable[..., Tensor]
    mean: Callable[[Tensor], Tensor]
    parameters: Mapping[str, float] = field(default_factory=dict)
    bounded: bool = False
    check: Callable[[Tensor], None] = _any_images


def find(name: str) -> Likelihood:
    """The likelihood of this name."""
    likelihood: Likelihood = import_module(f"{__name__}.{name}").LIKELIHOOD
    return likelihood
