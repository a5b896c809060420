"""Blocks `experiments` and `figures` of the config: sets of runs, and what shows them."""

from typing import Annotated

from pydantic import ConfigDict, Field

from rdpipe.study.settings._base import Model, Name


class Experiment(Model):
    """A set of runs that a figure needs: splits × archs × betas × seeds."""

    splits: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Its splits, in the order in which figures show them."""
    archs: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Its architectures, in that order; each is trained on each split."""


Names = Annotated[tuple[Name, ...], Field(min_length=1)]


class Claim(Model):
    """A claim of the paper, and the runs that decide it.

    All keys but `name` and `experiment` are roles of the claim (docs/paper.md lists them): `sparse:
    cv-16k` names the split, `shallow: mlp-1` the architecture that plays it. A role for any number
    takes a list; without it, the experiment's splits or architectures play it.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Name | Names]

    name: Name
    """A claim that `rdpipe.claims.paper` knows."""
    experiment: Name
    """The experiment whose tables it is judged by."""

    @property
    def roles(self) -> dict[str, str | tuple[str, ...]]:
        """The split or architecture, or a tuple of them, that each given role names."""
        return dict(self.__pydantic_extra__)


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
