"""Block `datasets` of the config: what images there are (Sections 4.1 and 4.4, or your own)."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
)

from rdpipe.study.settings._base import Model

Factor = Literal["angle", "hue", "scale", "x", "y"]


@dataclass(frozen=True)
class Facts:
    """What is known of a dataset before it is made, or None where it is not.

    Attributes
    ----------
    n, shape
        Number of images, and theirs: (H, W, C).
    factors
        Whether it has factors of variation, by whose range it can be divided.
    """

    n: int | None
    shape: tuple[int, int, int] | None
    factors: bool


class Tetrominoes(Model):
    """The Tetrominoes dataset of Section 4.1: a stratified sample, one image a bin."""

    kind: Literal["tetrominoes"]
    seed: NonNegativeInt = 0
    """Seed of the draw inside each bin."""
    bins: dict[Factor, PositiveInt]
    """Number of bins of each factor; the number of images is their product."""
    limits: dict[Factor, tuple[float, float]]
    """Lowest and highest value of each factor: angle in degrees, scale, x and y in pixels."""

    @property
    def facts(self) -> Facts:
        """What is known of it beforehand."""
        return Facts(math.prod(self.bins.values()), (32, 32, 3), factors=True)


class Public(Model):
    """A public dataset (Section 4.4), its official train and test part pooled."""

    kind: Literal["mnist", "fashion_mnist", "smallnorb", "shapes3d"]
    size: PositiveInt | None = 32
    """Height and width of the images in pixels: smaller ones get a black frame, larger ones are
    averaged by area; null keeps the size they have."""

    @property
    def facts(self) -> Facts:
        """What is known of it beforehand."""
        n, side, channels, factors = {
            "mnist": (70_000, 28, 1, False),
            "fashion_mnist": (70_000, 28, 1, False),
            "smallnorb": (48_600, 96, 1, True),
            "shapes3d": (480_000, 64, 3, True),
        }[self.kind]
        side = self.size or side
        return Facts(n, (side, side, channels), factors)


def _square(size: Any) -> Any:
    return (size, size) if isinstance(size, int) else size


class Images(Model):
    """Images of your own (docs/datasets.md)."""

    kind: Literal["images"]
    images: Annotated[str, Field(min_length=1)]
    """A folder of pictures, or an .npz or .npy array (N, H, W) or (N, H, W, C) of uint8 or of
    floats in [0, 1]."""
    factors: Annotated[str, Field(min_length=1)] | None = None
    """A .csv or .parquet table with one row an image, whose numeric columns are factors of
    variation: CD and checkerboard splits need it."""
    size: Annotated[tuple[PositiveInt, PositiveInt] | None, BeforeValidator(_square)] = None
    """Height and width in pixels, [32, 24] or one number for both, to which images are averaged by
    area; null keeps theirs."""

    @property
    def facts(self) -> Facts:
        """What is known before they are read; colours, if any, are assumed."""
        shape = (*self.size, 3) if self.size else None
        return Facts(n=None, shape=shape, factors=self.factors is not None)


Dataset = Annotated[Tetrominoes | Public | Images, Field(discriminator="kind")]
