"""The study: a typed model of the configuration (`rdpipe.study.reading` reads it)."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
)

# Names of rules, which no target may have: the stages, and what makes all targets.
STAGES = ("datasets", "splits", "neighbours", "training", "evaluation", "tables", "figures")
RULES = frozenset({"all", *STAGES})

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]
Factor = Literal["angle", "hue", "scale", "x", "y"]
Axis = Literal["beta", "seed"]


def _expanded(path: str) -> str:
    return str(Path(os.path.expandvars(path)).expanduser())


Folder = Annotated[str, Field(min_length=1), AfterValidator(_expanded)]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


@dataclass(frozen=True)
class Facts:
    """What is known of a dataset before it is made, or None where it is not.

    Attributes
    ----------
    label
        What figures call it, else by its name in the study.
    n, shape
        Number of images, and theirs: (H, W, C).
    factors
        Whether it has factors of variation, by whose range it can be divided.
    """

    label: str | None
    n: int | None
    shape: tuple[int, int, int] | None
    factors: bool


class Tetrominoes(_Model):
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
        return Facts("Tetrominoes", math.prod(self.bins.values()), (32, 32, 3), factors=True)


class Public(_Model):
    """A public dataset (Section 4.4), its official train and test part pooled."""

    kind: Literal["mnist", "fashion_mnist", "smallnorb", "shapes3d"]
    size: PositiveInt | None = 32
    """Height and width of the images in pixels: smaller ones get a black frame, larger ones are
    averaged by area; null keeps the size they have."""

    @property
    def facts(self) -> Facts:
        """What is known of it beforehand."""
        label, n, side, channels, factors = {
            "mnist": ("MNIST", 70_000, 28, 1, False),
            "fashion_mnist": ("Fashion-MNIST", 70_000, 28, 1, False),
            "smallnorb": ("SmallNORB", 48_600, 96, 1, True),
            "shapes3d": ("3dShapes", 480_000, 64, 3, True),
        }[self.kind]
        side = self.size or side
        return Facts(label, n, (side, side, channels), factors)


def _square(size: Any) -> Any:
    return (size, size) if isinstance(size, int) else size


class Images(_Model):
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
        return Facts(label=None, n=None, shape=shape, factors=self.factors is not None)


Dataset = Annotated[Tetrominoes | Public | Images, Field(discriminator="kind")]


class CV(_Model):
    """Constant volume (Section 4.2): a random choice trains, all the rest is the test part."""

    dataset: Name
    """Name of the dataset that is split."""
    kind: Literal["cv"]
    seed: NonNegativeInt = 0
    """Seed of the permutation; CV splits of one seed have nested training parts."""
    n_train: PositiveInt
    """Number of training examples."""


class CD(_Model):
    """Constant density (Section 4.2): a centred box of factor space, divided half and half."""

    dataset: Name
    """Name of the dataset that is split."""
    kind: Literal["cd"]
    seed: NonNegativeInt = 0
    """Seed of the permutation."""
    ratio: Annotated[float, Field(gt=0, le=1)]
    """Volume of the box as a share of the whole factor space, in (0, 1]."""


class Checkerboard(_Model):
    """Checkerboard (Section 4.2): cells of even parity train, those of odd parity test."""

    dataset: Name
    """Name of the dataset that is split."""
    kind: Literal["checkerboard"]


Split = Annotated[CV | CD | Checkerboard, Field(discriminator="kind")]


class _Arch(_Model):
    """What every architecture has."""

    layers: PositiveInt
    """Number of hidden layers in the encoder, and in the decoder."""
    latent: PositiveInt = 10
    """Dimension of the latent space."""
    penalty: Literal["rate", "mutual_information", "marginal_kl"] = "rate"
    """What β multiplies in the objective: the rate, or one of its two terms alone (Section 4.5)."""
    early_stopping: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the training part that is held out: the parameters with the lowest objective on it
    are kept. Without it, the last are."""

    @property
    def variant(self) -> str:
        """What tells it from the standard objective, in words; nothing if nothing does."""
        removed = {"mutual_information": "no marginal KL", "marginal_kl": "no MI"}
        stopped = "early stopping" if self.early_stopping else ""
        return ", ".join(filter(None, [removed.get(self.penalty, ""), stopped]))


class MLP(_Arch):
    """Fully connected encoder and decoder with ReLU (Section 4.3)."""

    kind: Literal["mlp"]
    width: PositiveInt = 512
    """Units of each hidden layer."""


class CNN(_Arch):
    """Convolutional encoder and decoder with ReLU, kernel 4 and stride 2 (Section 4.3)."""

    kind: Literal["cnn"]
    channels: PositiveInt = 64
    """Feature maps of each hidden layer."""
    dense: NonNegativeInt = 0
    """Units of a dense layer between the convolutions and the latent space; 0 for none."""


Arch = Annotated[MLP | CNN, Field(discriminator="kind")]


class Training(_Model):
    """How every run is trained (Section 4.3)."""

    iterations: PositiveInt
    """Number of Adam steps."""
    batch_size: PositiveInt
    """Examples in a step."""
    learning_rate: PositiveFloat
    """Adam's learning rate."""
    precision: Literal["float32", "tf32", "bfloat16", "float64"] = "float32"
    """Floating-point type of parameters and arithmetic; tf32 and bfloat16 are float32 but for the
    factors of matrix products, rounded where the device is faster for it (docs/performance.md)."""
    history_every: PositiveInt = 1000
    """Iterations that are averaged into one row of the training history."""
    pack: tuple[Axis, ...] = ()
    """Runs that differ only in these axes are trained together by one job. Results keep their
    places, and switching retrains nothing."""
    threads: PositiveInt = 2
    """CPU threads of a training job."""
    save_every: PositiveFloat = 180.0
    """Seconds between the saved states from which an interrupted training goes on."""


class Evaluation(_Model):
    """What is measured on each trained run."""

    examples: PositiveInt = 8
    """Difficult test examples whose reconstructions are kept."""
    outer: Annotated[int, Field(ge=2)] = 4096
    """Training examples over which mutual information and marginal KL are averaged."""
    batch: Annotated[int, Field(ge=2)] = 512
    """Batch size of the paper's own estimate of the two (Section 4.5)."""
    seed: NonNegativeInt = 0
    """Seed of the posterior samples and of the choice of examples, the same for all runs."""
    memorization_images: PositiveInt = 2048
    """Examples of each part on which memorisation and the optimal decoder are measured."""
    likelihood_images: Annotated[int, Field(ge=2)] = 2000
    """Examples of each part whose log p(x) is estimated."""
    likelihood_samples: tuple[PositiveInt, ...] = (100, 1000, 5000)
    """Numbers of importance samples behind an estimate of log p(x); an empty list leaves log p(x)
    out, which on a CPU is most of an evaluation's work."""
    pack: tuple[Axis, ...] = ()
    """Runs that differ only in these axes are evaluated by one job."""
    threads: PositiveInt = 2
    """CPU threads of an evaluation job."""


class Experiment(_Model):
    """A set of runs that a figure needs: splits × archs × betas × seeds."""

    splits: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Its splits, in the order in which figures show them."""
    archs: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Its architectures, in that order; each is trained on each split."""


class Claim(_Model):
    """A claim of the paper, and the runs that decide it."""

    name: Name
    """A claim that `rdpipe.claims.paper` knows."""
    experiment: Name
    """The experiment whose tables it is judged by."""
    splits: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """The splits it is about, in the order of docs/paper.md; by default the experiment's."""
    archs: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """The architectures it is about, likewise."""


class Figure(_Model):
    """What a figure is drawn from, exactly one of the last four, and by what."""

    draw: Name | None = None
    """The module of `rdpipe.figures` that draws it; without it, that of the figure's own name."""
    dataset: Name | None = None
    """The dataset that it shows examples of (Figure 1)."""
    splits: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """The splits that it sketches (Figure 2)."""
    experiment: Name | None = None
    """The experiment whose tables it shows."""
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)] | None = None
    """The claims whose verdicts it shows."""


class Study(_Model):
    """A whole study: catalogues of datasets, splits and architectures, and what to ask of them."""

    store: Folder = "results/store"
    """Folder of the store, from where Snakemake is called; ~ and $VARIABLES are replaced. One with
    an absolute path must exist; checkouts and users may share it."""
    downloads: Folder = "downloads"
    """Folder of the public datasets' files, likewise: those that lie there are used, others are
    fetched."""
    datasets: dict[Name, Dataset]
    """Datasets by name."""
    splits: dict[Name, Split]
    """Divisions of the datasets into train and test, by name."""
    archs: dict[Name, Arch]
    """Architectures, with all that varies between runs beside split, β and seed, by name."""
    betas: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)]
    """The β of every RD curve."""
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    """The random restarts of every run."""
    training: Training
    """How every run is trained."""
    evaluation: Evaluation = Evaluation()
    """What is measured on every run."""
    experiments: dict[Name, Experiment]
    """Sets of runs by name; each is a target, which makes its tables."""
    figures: dict[Name, Figure]
    """Figures by name; each is a target."""
    targets: tuple[Name, ...]
    """Figures, and experiments whose tables, that `snakemake` without a target makes."""
