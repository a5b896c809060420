"""Block `splits` of the config: how datasets are divided (Section 4.2)."""

from typing import Annotated, Literal

from pydantic import Field

from rdpipe.study.settings._base import NUMBER, Count, Model, Name, Seed, unit


class _Split(Model):
    """The setting of every split."""

    dataset: Annotated[Name, Field(examples=["tetrominoes"])]
    """Name of the dataset that is divided."""


class CV(_Split):
    """Constant volume (Section 4.2): a random choice is the training part, the rest the test."""

    kind: Literal["cv"]
    seed: Seed = 0
    """Seed of the random order. CV splits of one seed have nested training parts."""
    n_train: Annotated[Count, unit("images"), Field(examples=[8192])]
    """Number of training images."""


class CD(_Split):
    """Constant density (Section 4.2): half of a centred box of factor space trains, half tests."""

    kind: Literal["cd"]
    seed: Seed = 0
    """Seed of the random order."""
    ratio: Annotated[float, Field(gt=0, le=1, examples=[0.2]), NUMBER]
    """Volume of the box as a share of the whole factor space."""


class Checkerboard(_Split):
    """Checkerboard (Section 4.2): cells of even parity train, cells of odd parity test."""

    kind: Literal["checkerboard"]


Split = Annotated[CV | CD | Checkerboard, Field(discriminator="kind")]
