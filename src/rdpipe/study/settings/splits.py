"""Block `splits` of the config: how datasets are divided (Section 4.2)."""

from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
)

from rdpipe.study.settings._base import Model, Name


class CV(Model):
    """Constant volume (Section 4.2): a random choice trains, all the rest is the test part."""

    dataset: Name
    """Name of the dataset that is split."""
    kind: Literal["cv"]
    seed: NonNegativeInt = 0
    """Seed of the permutation; CV splits of one seed have nested training parts."""
    n_train: PositiveInt
    """Number of training examples."""


class CD(Model):
    """Constant density (Section 4.2): a centred box of factor space, divided half and half."""

    dataset: Name
    """Name of the dataset that is split."""
    kind: Literal["cd"]
    seed: NonNegativeInt = 0
    """Seed of the permutation."""
    ratio: Annotated[float, Field(gt=0, le=1)]
    """Volume of the box as a share of the whole factor space, in (0, 1]."""


class Checkerboard(Model):
    """Checkerboard (Section 4.2): cells of even parity train, those of odd parity test."""

    dataset: Name
    """Name of the dataset that is split."""
    kind: Literal["checkerboard"]


Split = Annotated[CV | CD | Checkerboard, Field(discriminator="kind")]
