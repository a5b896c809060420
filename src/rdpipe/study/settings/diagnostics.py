"""Block `diagnostics` of the config: measures that say where a gap lies, each with its settings."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from rdpipe.study.settings._base import (
    NEUTRAL,
    NUMBER,
    Axis,
    Count,
    Model,
    Seed,
    repeated,
    unit,
)


class InferenceGap(Model):
    """The loss of the encoder's posteriors against posteriors fitted to each example."""

    images: Annotated[Count, unit("images")] = 512
    """Number of images of each part to which posteriors are fitted."""
    samples: Count = 16
    """Number of samples of each posterior behind an objective."""
    steps: Count = 2000
    """The most Adam steps of a fit. It ends earlier when it gains nothing."""


class FittedPrior(Model):
    """The rate under a mixture of Gaussians that is fitted to the codes after training."""

    images: Annotated[Count, unit("images")] = 16384
    """Number of images of each part whose codes are used."""
    components: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 2, 4, 8, 16, 32, 64)
    """Numbers of Gaussians to try. Codes that were held out choose among them."""
    outer: Annotated[Count, unit("images")] = 1024
    """Number of images of each part behind the marginal KL."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Repeated numbers of components."""
        yield from repeated("components", self.components)


class ActiveUnits(Model):
    """The number of latent dimensions that a run uses, and whether it uses none."""

    threshold: Annotated[float, Field(ge=0), NUMBER] = 0.01
    """Variance of the posterior mean over images above which a dimension is active."""


class DecoderMemorization(Model):
    """Memorisation in the likelihood of the decoder."""

    images: Annotated[Count, unit("images")] = 2048
    """Number of test images."""


class LeaveOut(Model):
    """log p(x) of every image, from which a figure of several splits scores memorisation."""

    samples: Count = 64
    """Number of importance samples behind the log p(x) of an image."""


class Pictures(Model):
    """Interpolations, traversals and samples, which figures show. They are in no table."""

    pairs: Annotated[Count, unit("pairs")] = 2
    """Number of pairs of test images to interpolate between."""
    steps: Annotated[Count, unit("images")] = 8
    """Number of images of an interpolation and of a traversal."""
    samples: Annotated[Count, unit("images")] = 12
    """Number of samples of the prior, and of the aggregate posterior."""


class Diagnostics(Model):
    """Measures of each run beside its evaluation. An experiment or a figure asks for them by name.

    Each measure of a run is a result of its own. Changing the settings of one measure computes that
    measure again, and no other.
    """

    inference_gap: InferenceGap = InferenceGap()
    """Settings of the measure `inference_gap`."""
    fitted_prior: FittedPrior = FittedPrior()
    """Settings of the measure `fitted_prior`."""
    active_units: ActiveUnits = ActiveUnits()
    """Settings of the measure `active_units`."""
    decoder_memorization: DecoderMemorization = DecoderMemorization()
    """Settings of the measure `decoder_memorization`."""
    leave_out: LeaveOut = LeaveOut()
    """Settings of the measure `leave_out`."""
    pictures: Pictures = Pictures()
    """Settings of the measure `pictures`."""
    seed: Seed = 0
    """Seed of the noise and of the choice of images. All runs share it."""
    pack: Annotated[tuple[Axis, ...], NEUTRAL, Field(examples=[["beta", "seed"]])] = ()
    """Axes whose runs one job measures together."""
    threads: Annotated[Count, NEUTRAL] = 2
    """Number of CPU threads of a job."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Repeated axes."""
        yield from repeated("pack", self.pack)

    def measure(self, name: str) -> dict[str, Any]:
        """The settings of one measure, with the seed, as JSON values."""
        block: Model = getattr(self, name)
        return {**block.result_settings(), "seed": self.seed}


MEASURES = tuple(
    name
    for name, field in Diagnostics.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Model)
)
"""The names of all measures."""
FILES = {"pictures": "pictures.npz", "leave_out": "scores.parquet"}
"""Measures that figures show run by run and no table has, each with the file that it makes."""
