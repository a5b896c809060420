"""Blocks `experiments` and `figures` of the config: sets of runs, and figures of them."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from rdpipe.study.settings._base import Model, Name, repeated

Names = Annotated[tuple[Name, ...], Field(min_length=1)]


class Experiment(Model):
    """A set of runs: every combination of its splits and architectures with all β and seeds."""

    splits: Annotated[Names, Field(examples=[["default", "cv-16k"]])]
    """Its splits, in the order in which figures show them."""
    archs: Annotated[Names, Field(examples=[["mlp-1", "mlp-3"]])]
    """Its architectures, in the order in which figures show them."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Repeated names."""
        yield from repeated("splits", self.splits)
        yield from repeated("archs", self.archs)


class Claim(Model):
    """A claim of the paper, and the runs that decide it."""

    name: Name
    """A claim that `rdpipe.claims.paper` knows."""
    experiment: Name
    """The experiment whose tables it is judged by."""
    splits: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """The splits it is about, in the order of docs/paper.md; by default the experiment's."""
    archs: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """The architectures it is about, likewise."""


class Figure(Model):
    """A figure. Give exactly one of the last four settings: what the figure shows."""

    draw: Annotated[Name, Field(examples=["fig4"])] | None = None
    """The module of `rdpipe.figures` that draws the figure. With null, the module has the figure's
    own name."""
    dataset: Annotated[Name, Field(examples=["tetrominoes"])] | None = None
    """The dataset whose images the figure shows (Figure 1)."""
    splits: Annotated[Names, Field(examples=[["default", "cd-16k"]])] | None = None
    """The splits that the figure sketches (Figure 2)."""
    experiment: Annotated[Name, Field(examples=["fig3"])] | None = None
    """The experiment whose tables the figure shows."""
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)] | None = None
    """The claims whose verdicts the figure shows."""
