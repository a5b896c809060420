"""The whole config as one typed model (`rdpipe.study.reading` reads it)."""

from typing import Annotated

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
)

from rdpipe.study.settings._base import Folder, Model, Name
from rdpipe.study.settings.archs import Arch
from rdpipe.study.settings.datasets import Dataset
from rdpipe.study.settings.evaluation import Evaluation
from rdpipe.study.settings.figures import Experiment, Figure
from rdpipe.study.settings.splits import Split
from rdpipe.study.settings.training import Training

# Names of rules, which no target may have: the stages, and what makes all targets.
STAGES = ("datasets", "splits", "neighbours", "training", "evaluation", "tables", "figures")
RULES = frozenset({"all", *STAGES})


class Study(Model):
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
