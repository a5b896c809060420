"""Block `datasets` of the config: the images (Sections 4.1 and 4.4, or your own)."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from rdpipe.common.errors import RdpipeError
from rdpipe.datasets._sides import check_side
from rdpipe.datasets._tetromino import FACTORS, SIDE, Factor
from rdpipe.study.settings._base import (
    NEUTRAL,
    NUMBER,
    Count,
    Location,
    Model,
    Seed,
    sentence,
    unit,
    yaml_boolean,
)

MOST_IMAGES = 100_000_000  # 300 GB; the largest public dataset here has 737,280


@dataclass(frozen=True)
class Facts:
    """What is known of a dataset before it is made. Unknown values are None.

    Attributes
    ----------
    n, shape
        Number of images, and the shape of one: (H, W, C).
    factors
        Whether the dataset has factors of variation. CD and checkerboard splits need them.
    """

    n: int | None
    shape: tuple[int, int, int] | None
    factors: bool


class _Dataset(Model):
    """What the plan and the jobs ask of every kind of dataset."""

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """What is known of the dataset before it is made."""

    @property
    def own_files(self) -> list[Path]:
        """The user's own files. Their content decides what the dataset is."""
        return []

    def places(self, downloads: str) -> dict[str, str | None]:
        """Where the job finds or puts the dataset's files, as arguments of `write_dataset`."""
        return {}


class Tetrominoes(_Dataset):
    """The Tetrominoes dataset of Section 4.1: one random image in each bin of five factors."""

    kind: Literal["tetrominoes"]
    seed: Seed = 0
    """Seed of the random draw inside each bin."""
    bins: Annotated[
        dict[Factor, Count],
        Field(examples=[{"angle": 16, "hue": 8, "scale": 5, "x": 16, "y": 16}]),
    ]
    """Number of bins of each of the five factors. The number of images is the product."""
    limits: Annotated[
        dict[Factor, tuple[Annotated[float, NUMBER], Annotated[float, NUMBER]]],
        Field(
            examples=[
                {"angle": [0, 360], "hue": [0, 0.875], "scale": [2, 5], "x": [8, 23], "y": [8, 23]}
            ]
        ),
    ]
    """Lowest and highest value of each factor: angle in degrees, hue from 0 to 1, and scale, x
    and y in pixels."""

    @property
    def facts(self) -> Facts:
        """What is known of the dataset before it is made."""
        n = math.prod(self.bins.values())
        return Facts(n, (SIDE, SIDE, 3), factors=True)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Missing factors, too many bins, and limits in the wrong order."""
        if (n := math.prod(self.bins.values())) > MOST_IMAGES:
            yield "bins", f"they make {n:.3g} images; take fewer, at most {MOST_IMAGES:,}."
        for key, given in (("bins", self.bins), ("limits", self.limits)):
            if missing := [factor for factor in FACTORS if factor not in given]:
                yield key, f"{', '.join(missing)} missing; give all five factors."
        for factor, (low, high) in self.limits.items():
            if not low < high:
                yield (
                    f"limits.{factor}",
                    f"{low:g} is not below {high:g}; give [lowest, highest].",
                )


class _Public(_Dataset):
    """A public dataset. Its official training and test images are pooled."""

    native: ClassVar[Facts]
    size: Annotated[Count, unit("pixels")] | None = 32
    """Height and width of the images. A larger size than the native one adds a black rim; a
    smaller one averages by area and must divide the native size. With null, images keep their
    native size."""

    @property
    def facts(self) -> Facts:
        """What is known of the dataset before it is made."""
        known = self.native
        assert known.shape is not None
        side = self.size or known.shape[0]
        return Facts(known.n, (side, side, known.shape[2]), known.factors)

    def places(self, downloads: str) -> dict[str, str | None]:
        """The folder of the downloaded files."""
        return {"downloads": downloads}

    def faults(self) -> Iterator[tuple[str, str]]:
        """A size that the images cannot be brought to."""
        assert self.native.shape is not None
        try:
            check_side(self.size, self.native.shape[0])
        except RdpipeError as error:
            yield "size", str(error)


class MNIST(_Public):
    """MNIST: 70,000 handwritten digits of 28 × 28 pixels (Section 4.4)."""

    kind: Literal["mnist"]
    native = Facts(70_000, (28, 28, 1), factors=False)


class FashionMNIST(_Public):
    """Fashion-MNIST: 70,000 articles of clothing of 28 × 28 pixels (Section 4.4)."""

    kind: Literal["fashion_mnist"]
    native = Facts(70_000, (28, 28, 1), factors=False)


class SmallNORB(_Public):
    """SmallNORB: 48,600 photographs of toys, 96 × 96 pixels, first camera (Section 4.4)."""

    kind: Literal["smallnorb"]
    native = Facts(48_600, (96, 96, 1), factors=True)


class Shapes3D(_Public):
    """3dShapes: 480,000 rendered rooms of 64 × 64 pixels in colour (Section 4.4)."""

    kind: Literal["shapes3d"]
    native = Facts(480_000, (64, 64, 3), factors=True)


class DSprites(_Public):
    """dSprites: 737,280 white shapes of 64 × 64 pixels. The paper left it (Section 4.1)."""

    kind: Literal["dsprites"]
    native = Facts(737_280, (64, 64, 1), factors=True)


class CIFAR10(_Public):
    """CIFAR-10: 60,000 photographs of 32 × 32 pixels in colour, in ten classes."""

    kind: Literal["cifar10"]
    native = Facts(60_000, (32, 32, 3), factors=False)


def _pair(size: Any) -> Any:
    """One number stands for height and width."""
    if type(size) is int:
        return (size, size)
    if size is not None and not (isinstance(size, list | tuple) and len(size) == 2):
        given = yaml_boolean(size) if isinstance(size, bool) else repr(size)
        raise sentence(f"{given} is no size in pixels; give one number, or [height, width].")
    return size


class Images(_Dataset):
    """Your own images (docs/datasets.md)."""

    kind: Literal["images"]
    images: Annotated[Location, NEUTRAL, Field(examples=["data/pictures"])]
    """A folder of pictures, or a .npy or .npz file with an array (N, H, W) or (N, H, W, C) of
    uint8 or of floats from 0 to 1. A relative path starts where Snakemake is called. ~ and
    $VARIABLES are replaced. The content of the files decides what is computed anew. Their place
    does not."""
    factors: Annotated[Location | None, NEUTRAL, Field(examples=["data/factors.csv"])] = None
    """A .csv or .parquet table with one row for each image. Its numeric columns are the factors of
    variation. CD and checkerboard splits need such a table."""
    size: Annotated[
        tuple[Count, Count] | None,
        BeforeValidator(_pair, json_schema_input_type=Count | tuple[Count, Count] | None),
        unit("pixels"),
        Field(examples=[[32, 24]]),
    ] = None
    """Height and width, or one number for both. Images are brought to this size by area. With
    null, images keep their size."""

    @property
    def facts(self) -> Facts:
        """What is known before the files are read. Colours are assumed."""
        shape = (*self.size, 3) if self.size else None
        return Facts(n=None, shape=shape, factors=self.factors is not None)

    @property
    def own_files(self) -> list[Path]:
        """The images, and the table of factors if there is one."""
        return [Path(path) for path in (self.images, self.factors) if path]

    def places(self, downloads: str) -> dict[str, str | None]:
        """The user's own files."""
        return {"images": self.images, "factors": self.factors}


Dataset = Annotated[
    Tetrominoes | MNIST | FashionMNIST | SmallNORB | Shapes3D | DSprites | CIFAR10 | Images,
    Field(discriminator="kind"),
]
