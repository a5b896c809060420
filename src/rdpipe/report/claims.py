"""The claims of a study as rows of the report's table."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from rdpipe.results import Results

CLAIMS = "rdpipe.figures.claims"
WORDS = ["part", "note", "reason", "unit"]
WIDTH, ROOM = 120, 8  # of the picture of an interval, and on each side of it, in pixels


def claims(results: Results, figures: list[str]) -> list[dict[str, Any]]:
    """Claims in the order of the study: sentence, verdict, and `parts`.

    Each part has its words, numbers as text, and the `picture` of its interval: places in pixels.
    """
    found = []
    for name in figures:
        if judged(results, name):
            table = results.numbers(name)
            words = table[WORDS].astype(object)  # a column without a word is read as numbers
            table[WORDS] = words.where(words.notna(), "")
            same = table[["claim", "experiment", "roles"]]
            for _, rows in table.groupby(same.ne(same.shift()).any(axis=1).cumsum(), sort=False):
                found.append(_claim(rows))
    return found


def judged(results: Results, figure: str) -> bool:
    """Whether a figure is of claims and has its verdicts, which the table shows in full."""
    entry = results.about["figures"][figure]
    return entry["module"] == CLAIMS and (results.folder / f"{entry['place']}.csv").exists()


def counts(found: list[dict[str, Any]]) -> dict[str, int]:
    """How many claims have each verdict."""
    verdicts = [one["verdict"] for one in found]
    return {one: verdicts.count(one) for one in ("supported", "not supported", "undetermined")}


def _claim(rows: pd.DataFrame) -> dict[str, Any]:
    first = rows.iloc[0]
    return {
        "name": first["claim"],
        "sentence": first["sentence"].replace("Appendix ??", "Appendix ?? [sic]"),
        "reason": first["reason"],
        "roles": first["roles"],
        "experiment": first["experiment"],
        "verdict": first["claim_verdict"],
        "parts": [*_parts(rows)],
    }


def _parts(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for row in rows.to_dict("records"):
        known = all(math.isfinite(row[key]) for key in ("effect", "low", "high", "margin"))
        yield {
            "name": row["part"],
            "verdict": row["verdict"],
            "decides": row["decides"],
            "effect": f"{number(row['effect'])} {row['unit']}" if known else "–",
            "interval": f"{number(row['low'])} to {number(row['high'])}" if known else "–",
            "claimed": f"{row['claimed']} {number(row['margin'])}" if known else "–",
            "seeds": int(row["n"]),
            "diverged": int(row["n_diverged"]),
            "decidable": number(row["decidable"]),
            "decidable_5": number(row["decidable_5_seeds"]),
            "note": row["note"],
            "picture": _picture(row) if known else None,
        }


def _picture(row: Mapping[Any, Any]) -> dict[str, float]:
    """Places of the interval and its margin, on a scale that shows both."""
    ends = [row[key] for key in ("low", "high", "margin", "effect")]
    low, high = min(ends), max(ends)
    scale = (WIDTH - 2 * ROOM) / ((high - low) or 1)
    return {key: ROOM + scale * (row[key] - low) for key in ("low", "high", "margin", "effect")}


def number(value: float) -> str:
    """A number with three digits, with a real minus sign; a dash if nobody knows it."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "\N{MINUS SIGN}")
