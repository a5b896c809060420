"""Blocks `experiments` and `figures` of the config: sets of runs, and figures of them."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import ConfigDict, Field, PlainValidator

from rdpipe.study.settings._base import Location, Model, Name, repeated, sentence

# Modules of figures that draw RD curves, which can show published points.
RD_FIGURES = ("fig3", "fig4", "fig5", "fig6", "fig7", "early_stopping", "ablations")

Names = Annotated[tuple[Name, ...], Field(min_length=1)]


class Experiment(Model):
    """A set of runs: every combination of its splits and architectures with all β and seeds."""

    splits: Annotated[Names, Field(examples=[["default", "cv-16k"]])]
    """Its splits, in the order in which figures show them."""
    archs: Annotated[Names, Field(examples=[["mlp-1", "mlp-3"]])]
    """Its architectures, in the order in which figures show them."""
    diagnostics: Annotated[tuple[Name, ...], Field(examples=[["inference_gap"]])] = ()
    """Measures of the block `diagnostics` that its tables have as well."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Repeated names."""
        yield from repeated("splits", self.splits)
        yield from repeated("archs", self.archs)
        yield from repeated("diagnostics", self.diagnostics)


def _players(value: Any) -> str | tuple[str, ...]:
    """The name or names that play a role of a claim."""
    names = [value] if isinstance(value, str) else value
    if not names or not isinstance(names, (list, tuple)) or {type(name) for name in names} != {str}:
        raise sentence(
            f"give the name of a split or an architecture, or a list of names, but it is {value!r}."
        )
    return value if isinstance(value, str) else tuple(names)


Players = Annotated[str | tuple[str, ...], PlainValidator(_players, Name | Names)]


class Claim(Model):
    """A claim of the paper, and the runs that decide it.

    All keys but `name` and `experiment` are roles of the claim (docs/paper.md lists them): `sparse:
    cv-16k` names the split, `shallow: mlp-1` the architecture that plays it. A role for any number
    takes a list; without it, the experiment's splits or architectures play it.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Players]

    name: Name
    """A claim of `rdpipe.claims.paper`, or a question of `rdpipe.claims.questions`."""
    experiment: Name
    """The experiment whose tables it is judged by."""

    @property
    def roles(self) -> dict[str, str | tuple[str, ...]]:
        """The split or architecture, or a tuple of them, that each given role names."""
        return dict(self.__pydantic_extra__)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Repeated names."""
        for role, players in self.roles.items():
            if isinstance(players, tuple):
                yield from repeated(role, players)


class Figure(Model):
    """A figure. Give exactly one of `dataset`, `splits`, `experiment` and `claims`."""

    draw: Annotated[Name, Field(examples=["fig4"])] | None = None
    """The module of `rdpipe.figures` that draws the figure. With null, the module has the figure's
    own name."""
    dataset: Annotated[Name, Field(examples=["tetrominoes"])] | None = None
    """The dataset whose images the figure shows (Figure 1)."""
    splits: Annotated[Names, Field(examples=[["default", "cd-16k"]])] | None = None
    """The splits that the figure sketches (Figure 2)."""
    experiment: Annotated[Name, Field(examples=["fig3"])] | None = None
    """The experiment whose tables the figure shows."""
    diagnostic: Annotated[Name, Field(examples=["pictures"])] | None = None
    """The measure that the figure shows run by run: `pictures` or `leave_out`. It needs an
    experiment."""
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)] | None = None
    """The claims whose verdicts the figure shows."""
    published: Annotated[Location, Field(examples=["docs/reproduction/paper.csv"])] | None = None
    """A CSV file of published points, which figures of RD curves show as grey marks.
    `rdpipe.figures._published` lists its columns. The figure's CSV has the differences."""
