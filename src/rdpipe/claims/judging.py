"""Judging of claims: a table with a row for each part of each claim, and its verdict."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rdpipe.claims.contrasts import Missing, Part, Tables
from rdpipe.claims.intervals import MIN_SEEDS, largest
from rdpipe.claims.paper import look_up

COLUMNS = [
    *("claim", "claim_verdict", "part", "verdict", "effect", "low", "high", "claimed", "margin"),
    *("unit", "n", "n_diverged", "note", "experiment", "splits", "archs", "sentence"),
    "conditional_on",
]
CONDITIONAL = "interval over seeds, conditional on the split, the grid of β and the evaluation"


def judge(
    tables: Mapping[str, Mapping[str, pd.DataFrame]], claims: Iterable[Mapping[str, Any]]
) -> pd.DataFrame:
    """Judge claims: one row a part, with the columns COLUMNS.

    Parameters
    ----------
    tables
        By experiment: `runs`, its rd.parquet, and `neighbours`, its neighbours.parquet.
    claims
        Each with its `name` in CLAIMS, `experiment`, `splits` and `archs`.

    Returns
    -------
    DataFrame
        claim_verdict is that of all the claim's parts together; effect, low and high are in `unit`
        and should lie above or below (`claimed`) the margin; n is the number of seeds that have
        all the runs compared, n_diverged that of the claim's runs that diverged; `note` says why
        something is undetermined.

    Raises
    ------
    RdpipeError
        If a claim is unknown, or given splits or architectures that it cannot be about.
    """
    rows = [row for entry in claims for row in _judge(tables[entry["experiment"]], **entry)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _judge(
    tables: Mapping[str, pd.DataFrame],
    *,
    name: str,
    experiment: str,
    splits: Sequence[str],
    archs: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """The rows of one claim."""
    claim = look_up(name, splits, archs)
    runs = tables["runs"]
    chosen = runs["split"].isin(splits) & runs["arch"].isin(archs) & (runs["part"] == "train")
    note = ""
    try:
        parts = [*claim.test(Tables(runs, tables["neighbours"]), splits, archs)]
    except Missing as missing:
        note = str(missing)
        parts = [Part("", largest(np.empty((0, 1))), "above", np.nan, "")]
    for part in parts:
        yield {
            "claim": name,
            "claim_verdict": claim.conclude([part.verdict for part in parts]),
            "part": part.name,
            "verdict": part.verdict,
            "effect": part.interval.effect,
            "low": part.interval.low,
            "high": part.interval.high,
            "claimed": part.claimed,
            "margin": part.margin,
            "unit": part.unit,
            "n": part.interval.n,
            "n_diverged": int((runs.loc[chosen, "status"] == "diverged").sum()),
            "note": note or _note(part),
            "experiment": experiment,
            "splits": " ".join(splits),
            "archs": " ".join(archs),
            "sentence": claim.sentence,
            "conditional_on": CONDITIONAL,
        }


def _note(part: Part) -> str:
    """Why a part is undetermined, if it is."""
    if part.verdict != "undetermined":
        return ""
    if part.interval.n < MIN_SEEDS:
        return f"seeds with all runs: {part.interval.n}; an interval takes {MIN_SEEDS}"
    return "the margin lies within the interval"
