"""What a claim is about: its roles, each played by splits or architectures of the study.

The roles of a claim are the keyword parameters of its function in `rdpipe.claims.paper`, or in
`rdpipe.claims.questions`. Their annotations say what plays them: one split, one architecture, or
any number of either. They are read from the source of these modules. Importing them would import
pandas and scipy, and every call of Snakemake and every one of its jobs reads the config.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NewType

from rdpipe.common.errors import RdpipeError

Split = NewType("Split", str)
Arch = NewType("Arch", str)
Splits = tuple[Split, ...]
Archs = tuple[Arch, ...]
Players = str | tuple[str, ...]


@dataclass(frozen=True)
class Role:
    """One role of a claim: a split or an architecture, one or any number."""

    of: str  # "split" or "architecture"
    many: bool

    def __str__(self) -> str:
        if self.many:
            return f"a list of {self.of}s"
        return "one " + self.of


ROLES = {
    "Split": Role("split", many=False),
    "Splits": Role("split", many=True),
    "Arch": Role("architecture", many=False),
    "Archs": Role("architecture", many=True),
}


@cache
def declared() -> dict[str, dict[str, Role]]:
    """The roles of every claim, by the name of the claim and of the role."""
    sources = (Path(__file__).with_name(f"{name}.py") for name in ("paper", "questions"))
    return {
        function.name: {
            parameter.arg: ROLES[ast.unparse(parameter.annotation)]
            for parameter in function.args.kwonlyargs
            if parameter.annotation
        }
        for source in sources
        for function in ast.parse(source.read_text("utf-8")).body
        if isinstance(function, ast.FunctionDef)
        and any(
            ast.unparse(decorator).startswith(("claim(", "question("))
            for decorator in function.decorator_list
        )
    }


def cast(
    claim: str,
    given: Mapping[str, str | Sequence[str]],
    *,
    splits: Sequence[str] = (),
    archs: Sequence[str] = (),
) -> dict[str, Players]:
    """The players of all roles of a claim, in the order in which it declares them.

    Parameters
    ----------
    claim
        Its name.
    given
        For a role, the name of the split or architecture that plays it, or several names.
    splits, archs
        All that the experiment has: they play the roles for any number that are not given.

    Raises
    ------
    RdpipeError
        If there is no such claim, or a role is missing, unknown, or given one name for several.
    """
    if claim not in declared():
        raise RdpipeError(f"there is no claim {claim!r}; there are {', '.join(declared())}.")
    roles = declared()[claim]
    its_roles = "its roles are " + ", ".join(f"{name} ({role})" for name, role in roles.items())
    for name in given:
        if name not in roles:
            raise RdpipeError(f"claim {claim} has no role {name!r}; {its_roles}.")
    players: dict[str, Players] = {}
    for name, role in roles.items():
        default = (splits if role.of == "split" else archs) if role.many else ()
        chosen = given.get(name, default)
        if not chosen:
            raise RdpipeError(f"claim {claim} lacks its role {name!r}; {its_roles}.")
        if isinstance(chosen, str) == role.many:
            raise RdpipeError(f"role {name!r} of claim {claim} takes {role}; {its_roles}.")
        players[name] = chosen if isinstance(chosen, str) else tuple(chosen)
    return players


def in_words(players: Mapping[str, Players]) -> str:
    """Who plays which role, as `sparse=cv-16k archs=mlp-1,mlp-3`."""
    return " ".join(f"{role}={','.join(named(chosen))}" for role, chosen in players.items())


def named(players: Players) -> tuple[str, ...]:
    """The names of one player or of several."""
    return (players,) if isinstance(players, str) else players
