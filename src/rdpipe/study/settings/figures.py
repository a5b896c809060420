"""Blocks `experiments` and `figures` of the config: sets of runs, and what shows them."""

from typing import Annotated

from pydantic import (
    Field,
)

from rdpipe.study.settings._base import Model, Name


class Experiment(Model):
    """A set of runs that a figure needs: splits × archs × betas × seeds."""

    splits: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Its splits, in the order in which figures show them."""
    archs: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Its architectures, in that order; each is trained on each split."""


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
