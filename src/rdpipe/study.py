"""The study: a typed model of the configuration, and its only reader."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from rdpipe.errors import RdpipeError

# Names of rules, which no target may have: the stages, and what makes all targets.
STAGES = ("datasets", "splits", "neighbours", "training", "evaluation", "tables", "figures")
RULES = frozenset({"all", *STAGES})
FIGURES = Path(__file__).parent / "figures"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]
Factor = Literal["angle", "hue", "scale", "x", "y"]
Axis = Literal["beta", "seed"]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


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
    def n(self) -> int:
        """Number of images."""
        return math.prod(self.bins.values())


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


class MLP(_Model):
    """Fully connected encoder and decoder with ReLU (Section 4.3)."""

    kind: Literal["mlp"]
    layers: PositiveInt
    """Number of hidden layers in the encoder, and in the decoder."""
    width: PositiveInt = 512
    """Units of each hidden layer."""
    latent: PositiveInt = 10
    """Dimension of the latent space."""

    @property
    def label(self) -> str:
        """What figures call it."""
        return "1 layer" if self.layers == 1 else f"{self.layers} layers"


class Training(_Model):
    """How every run is trained (Section 4.3)."""

    iterations: PositiveInt
    """Number of Adam steps."""
    batch_size: PositiveInt
    """Examples in a step."""
    learning_rate: PositiveFloat
    """Adam's learning rate."""
    precision: Literal["float32", "float64"] = "float32"
    """Floating-point type of parameters and arithmetic."""
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
    pack: tuple[Axis, ...] = ()
    """Runs that differ only in these axes are evaluated by one job."""
    threads: PositiveInt = 2
    """CPU threads of an evaluation job."""


class Experiment(_Model):
    """A set of runs that a figure needs: splits × archs × betas × seeds."""

    splits: Annotated[tuple[Name, ...], Field(min_length=1)]
    archs: Annotated[tuple[Name, ...], Field(min_length=1)]


class Figure(_Model):
    """What a figure is drawn from: exactly one of the three."""

    dataset: Name | None = None
    splits: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    experiment: Name | None = None


class Study(_Model):
    """A whole study: catalogues of datasets, splits and architectures, and what to ask of them."""

    store: Annotated[str, Field(min_length=1)] = "results/store"
    """Folder of the store."""
    datasets: dict[Name, Tetrominoes]
    splits: dict[Name, Split]
    archs: dict[Name, MLP]
    betas: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)]
    """The β of every RD curve."""
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    """The random restarts of every run."""
    training: Training
    evaluation: Evaluation = Evaluation()
    experiments: dict[Name, Experiment]
    figures: dict[Name, Figure]
    targets: tuple[Name, ...]
    """Figures, and experiments whose tables, that `snakemake` without a target makes."""


def merge(config: dict[str, Any], overlay: Mapping[str, Any]) -> None:
    """Lay an overlay over a configuration, as Snakemake does: mappings merge, others replace."""
    for key, value in overlay.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), dict):
            merge(config[key], value)
        else:
            config[key] = value


def read_study(config: Mapping[str, Any]) -> Study:
    """The study that a configuration describes.

    Parameters
    ----------
    config
        The merged configuration: nested dicts, lists and scalars as YAML gives them.

    Raises
    ------
    RdpipeError
        With one sentence for each fault, which begins with the path of the key.
    """
    try:
        study = Study.model_validate(config)
    except ValidationError as error:
        faults = [_sentence(detail, config) for detail in error.errors()]
        raise RdpipeError("\n".join(faults)) from None
    if faults := list(_faults(study)):
        raise RdpipeError("\n".join(faults))
    return study


def _sentence(detail: ErrorDetails, config: Mapping[str, Any]) -> str:
    """One sentence for one of pydantic's findings."""
    path, here = "", config
    last = len(detail["loc"]) - 1
    for depth, key in enumerate(detail["loc"]):
        if isinstance(key, int):
            path += f"[{key}]"
        elif depth == last or (isinstance(here, Mapping) and key in here):
            path += f".{key}" if path else key
        else:
            continue  # the name of a union's branch, which no file spells out
        try:
            here = here[key]  # type: ignore[index]  # mappings have names, sequences numbers
        except (KeyError, IndexError, TypeError):
            break
    if detail["type"] == "extra_forbidden":
        return f"{path}: there is no such setting; remove it or mend its spelling."
    if detail["type"] == "union_tag_not_found":
        return f"{path}.kind: this setting is missing; add it."
    if detail["type"] == "missing":
        return f"{path}: this setting is missing; add it."
    message = detail["msg"][0].lower() + detail["msg"][1:]
    return f"{path}: {message}, but it is {detail['input']!r}."


def _faults(study: Study) -> Iterable[str]:
    """Faults that lie between the settings: one sentence each."""
    yield from _repeated("betas", [f"{beta:g}" for beta in study.betas])
    for beta in study.betas:
        if float(f"{beta:g}") != beta:
            yield f"betas: {beta!r} has more than the six digits that paths spell; round it."
    yield from _repeated("seeds", study.seeds)
    yield from _repeated("training.pack", study.training.pack)
    yield from _repeated("evaluation.pack", study.evaluation.pack)
    if study.evaluation.batch > study.evaluation.outer:
        yield (
            f"evaluation.batch: {study.evaluation.batch} samples are more than evaluation.outer = "
            f"{study.evaluation.outer} gives; lower it, or raise outer."
        )
    for key, names in (("experiments", study.experiments), ("figures", study.figures)):
        for name in RULES.intersection(names):
            yield f"{key}.{name}: a rule of the workflow has this name; choose another."
    for name, dataset in study.datasets.items():
        yield from _dataset_faults(f"datasets.{name}", dataset)
    for name, split in study.splits.items():
        yield from _split_faults(f"splits.{name}", split, study)
    for name, experiment in study.experiments.items():
        path = f"experiments.{name}"
        yield from _unknown(f"{path}.splits", experiment.splits, study.splits, "split")
        yield from _unknown(f"{path}.archs", experiment.archs, study.archs, "architecture")
        yield from _repeated(f"{path}.splits", experiment.splits)
        yield from _repeated(f"{path}.archs", experiment.archs)
    for name, figure in study.figures.items():
        yield from _figure_faults(f"figures.{name}", name, figure, study)
    yield from _unknown(
        "targets", study.targets, {**study.figures, **study.experiments}, "figure or experiment"
    )


def _dataset_faults(path: str, dataset: Tetrominoes) -> Iterable[str]:
    for key in ("bins", "limits"):
        missing = {"angle", "hue", "scale", "x", "y"} - set(getattr(dataset, key))
        if missing:
            yield f"{path}.{key}: {', '.join(sorted(missing))} missing; give all five factors."
    for factor, (low, high) in dataset.limits.items():
        if not low < high:
            yield f"{path}.limits.{factor}: {low:g} is not below {high:g}; give [lowest, highest]."


def _split_faults(path: str, split: CV | CD | Checkerboard, study: Study) -> Iterable[str]:
    yield from _unknown(f"{path}.dataset", [split.dataset], study.datasets, "dataset", listed=False)
    if split.dataset not in study.datasets or not isinstance(split, CV):
        return
    n = study.datasets[split.dataset].n
    if split.n_train >= n:
        yield (
            f"{path}.n_train: {split.n_train} training examples leave no test part of dataset "
            f"{split.dataset}, which has {n}; take fewer."
        )
    if split.n_train < study.training.batch_size:
        yield (
            f"{path}.n_train: {split.n_train} training examples do not fill a batch of "
            f"training.batch_size = {study.training.batch_size}; take more, or a smaller batch."
        )


def _figure_faults(path: str, name: str, figure: Figure, study: Study) -> Iterable[str]:
    known = sorted(file.stem for file in FIGURES.glob("[!_]*.py"))
    yield from _unknown(path, [name], known, "module of rdpipe.figures", listed=False)
    if (
        sum(source is not None for source in (figure.dataset, figure.splits, figure.experiment))
        != 1
    ):
        yield f"{path}: give exactly one of dataset, splits and experiment."
    if figure.dataset is not None:
        yield from _unknown(
            f"{path}.dataset", [figure.dataset], study.datasets, "dataset", listed=False
        )
    if figure.experiment is not None:
        yield from _unknown(
            f"{path}.experiment", [figure.experiment], study.experiments, "experiment", listed=False
        )
    yield from _unknown(f"{path}.splits", figure.splits or (), study.splits, "split")


def _unknown(
    path: str, names: Iterable[str], known: Iterable[str], what: str, *, listed: bool = True
) -> Iterable[str]:
    known = list(known)
    for index, name in enumerate(names):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}."
            yield f"{path}{f'[{index}]' if listed else ''}: there is no {what} {name!r}; {hint}"


def _repeated(path: str, values: Sequence[Any]) -> Iterable[str]:
    for value in dict.fromkeys(value for value in values if values.count(value) > 1):
        yield f"{path}: {value} is given twice; remove one."
