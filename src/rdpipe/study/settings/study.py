"""The whole config as one typed model (`rdpipe.study.reading` reads it)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from rdpipe.study.settings._base import NEUTRAL, NUMBER, Location, Model, Name, Seed, repeated
from rdpipe.study.settings.archs import Arch
from rdpipe.study.settings.datasets import Dataset
from rdpipe.study.settings.diagnostics import Diagnostics
from rdpipe.study.settings.evaluation import Evaluation
from rdpipe.study.settings.figures import Experiment, Figure
from rdpipe.study.settings.splits import Split
from rdpipe.study.settings.training import Training

# Names of rules, which no target may have: the stages, `report`, and `all`, which makes all
# targets.
STAGES = (
    *("datasets", "splits", "neighbours", "training", "evaluation", "diagnostics"),
    *("tables", "figures"),
)
RULES = frozenset({"all", "report", *STAGES})
# Folders in `results/` that belong to no study, so that no study may have their names.
FOLDERS = frozenset({*STAGES, "logs", "store"})


class Study(Model):
    """A whole study: datasets, splits and architectures by name, and the runs and figures asked."""

    name: Annotated[Name, NEUTRAL, Field(examples=["demo"])] = "paper"
    """The study's own name. Its figures and tables lie in `results/<name>/`. Studies of different
    names stand side by side."""
    store: Annotated[Location, NEUTRAL] = "results/store"
    """Folder of the store. A relative path starts where Snakemake is called. ~ and $VARIABLES are
    replaced. A folder with an absolute path must exist. Checkouts and users may share it."""
    downloads: Annotated[Location, NEUTRAL] = "downloads"
    """Folder of the public datasets' files. ~ and $VARIABLES are replaced. Files that are there are
    used. Missing files are downloaded."""
    datasets: dict[Name, Dataset]
    """Datasets by name."""
    splits: dict[Name, Split]
    """Splits by name: each divides a dataset into a training and a test part."""
    archs: dict[Name, Arch]
    """Architectures by name. All differences between runs are here, but for split, β and seed."""
    betas: Annotated[
        tuple[Annotated[float, Field(ge=0), NUMBER], ...],
        Field(min_length=1, examples=[[0.001, 0.1, 1, 5]]),
    ]
    """The β of every RD curve, with at most six digits each."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, examples=[[0, 1, 2, 3, 4]])]
    """The seeds of every run. Each seed is one random restart."""
    training: Training
    """How every run is trained."""
    evaluation: Evaluation = Evaluation()
    """The measurements on every run."""
    diagnostics: Diagnostics = Diagnostics()
    """Further measures of the runs of experiments that ask for them."""
    experiments: dict[Name, Experiment]
    """Sets of runs by name. Each is a target: `snakemake <name>` makes its tables."""
    figures: dict[Name, Figure]
    """Figures by name. Each is a target: `snakemake <name>` draws it."""
    targets: Annotated[tuple[Name, ...], NEUTRAL, Field(examples=[["fig1", "fig3"]])]
    """Figures and experiments that `snakemake` makes if it is called without a target."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """A name that is taken, repeated β and seeds, and β that paths cannot spell."""
        if self.name in FOLDERS or Path("results", self.name) in (
            path := Path(self.store),
            *path.parents,
        ):
            yield "name", f"{self.name} is a folder of all studies in results/; choose another."
        yield from repeated("betas", [f"{beta:g}" for beta in self.betas])
        for beta in self.betas:
            if float(f"{beta:g}") != beta:
                yield "betas", f"{beta!r} has more than the six digits that paths spell; round it."
        yield from repeated("seeds", self.seeds)
