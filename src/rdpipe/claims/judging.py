"""Judging of claims: a table with a row for each part of each claim, and its verdict."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rdpipe.claims.contrasts import Missing, Part, Tables
from rdpipe.claims.intervals import MIN_SEEDS, largest
from rdpipe.claims.paper import CLAIMS
from rdpipe.claims.questions import QUESTIONS
from rdpipe.claims.roles import Players, cast, declared, in_words, named

COLUMNS = [
    *("claim", "claim_verdict", "part", "verdict", "decides", "effect", "low", "high", "claimed"),
    *("margin", "unit", "n", "n_diverged", "deviation", "decidable", "decidable_5_seeds", "note"),
    *("experiment", "roles", "sentence", "reason", "conditional_on"),
]
CONDITIONAL = "interval over seeds, conditional on the split, the grid of β and the evaluation"
PAPERS_SEEDS = 5  # restarts, Section 4.3


def judge(
    tables: Mapping[str, Mapping[str, pd.DataFrame]], claims: Iterable[Mapping[str, Any]]
) -> pd.DataFrame:
    """Judge claims: one row a part, with the columns COLUMNS.

    Parameters
    ----------
    tables
        By experiment: `runs`, its rd.parquet, and `neighbours`, its neighbours.parquet.
    claims
        Each with its `name` in CLAIMS or QUESTIONS, its `experiment`, and its `roles`: for each
        role the name of a split or architecture, or a list of names.

    Returns
    -------
    DataFrame
        `claim_verdict` is the verdict of all the claim's deciding parts together; `decides` is
        False for a part that is only shown. `effect`, `low`, `high`, `deviation` and `decidable`
        are in `unit`. The interval from `low` to `high` should lie above or below (`claimed`) the
        margin. `n` is the number of seeds that have all the runs compared, `n_diverged` that of
        the claim's runs that diverged. `deviation` is the standard deviation of the effect over
        seeds. `decidable` is how far beyond the margin a true effect must lie so that 80 % of
        studies with these n seeds decide it, `decidable_5_seeds` the same for the paper's five.
        `note` says why something is undetermined. `reason` is that of a question's margins, empty
        for a claim of the paper.

    Raises
    ------
    RdpipeError
        If a claim is unknown, or a role is missing, unknown, or of another kind.
    """
    rows = [row for entry in claims for row in _judge(tables[entry["experiment"]], **entry)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _judge(
    tables: Mapping[str, pd.DataFrame],
    *,
    name: str,
    experiment: str,
    roles: Mapping[str, str | Sequence[str]],
) -> Iterator[dict[str, Any]]:
    """The rows of one claim."""
    players = cast(name, roles)
    claim = (CLAIMS | QUESTIONS)[name]
    runs = tables["runs"]
    note = ""
    chosen = runs[_of_claim(runs, name, players)]
    try:
        _refuse_mixture(chosen)
        parts = [*claim.test(Tables(runs, tables["neighbours"]), **players)]
    except Missing as missing:
        note = str(missing)
        parts = [Part("", largest(np.empty((0, 1))), "above", np.nan, "")]
    for part in parts:
        interval = part.interval
        yield {
            "claim": name,
            "claim_verdict": claim.conclude([part.verdict for part in parts if part.decides]),
            "part": part.name,
            "verdict": part.verdict,
            "decides": part.decides,
            "effect": interval.effect,
            "low": interval.low,
            "high": interval.high,
            "claimed": part.claimed,
            "margin": part.margin,
            "unit": part.unit,
            "n": interval.n,
            "n_diverged": int((chosen["status"] == "diverged").sum()),
            "deviation": interval.deviation,
            "decidable": interval.decidable(part.claimed, interval.n),
            "decidable_5_seeds": interval.decidable(part.claimed, PAPERS_SEEDS),
            "note": note or "; ".join(filter(None, [_note(part), _idle(chosen)])),
            "experiment": experiment,
            "roles": in_words(players),
            "sentence": claim.sentence,
            "reason": claim.reason,
            "conditional_on": CONDITIONAL,
        }


def _of_claim(runs: pd.DataFrame, claim: str, players: Mapping[str, Players]) -> pd.Series:
    """Which rows are the training parts of the claim's runs at their end."""
    chosen = (runs["iteration"] == runs["iteration"].max()) & (runs["part"] == "train")
    for column, of in (("split", "split"), ("arch", "architecture")):
        roles = [name for name, role in declared()[claim].items() if role.of == of]
        chosen &= runs[column].isin([player for role in roles for player in named(players[role])])
    return chosen


def _refuse_mixture(runs: pd.DataFrame) -> None:
    """Raise Missing for runs that other devices or releases of PyTorch made than the rest.

    Their difference might be what a claim sees.
    """
    made = sorted({*runs.get("made_with", ())} - {""})
    if len(made) > 1:
        raise Missing(f"the runs were made with different devices or releases: {'; '.join(made)}")


def _idle(runs: pd.DataFrame) -> str:
    """That some runs stopped learning, if so."""
    idle = int((~runs.get("learned", pd.Series(True, runs.index)).astype(bool)).sum())
    return f"{idle} of {len(runs)} runs stopped learning" if idle else ""


def _note(part: Part) -> str:
    """Why a part is undetermined, if it is."""
    if part.verdict != "undetermined":
        return ""
    if part.interval.n < MIN_SEEDS:
        return f"seeds with all runs: {part.interval.n}; an interval takes {MIN_SEEDS}"
    return "the margin lies within the interval"
