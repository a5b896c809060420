"""Claims or questions with their verdicts, intervals, and what seeds can decide.

Each row is one part of a claim. Its interval of 95 % is over seeds. The part is supported if the
whole interval lies on the claimed side of the margin, not supported if it lies on the other side,
and otherwise undetermined. Intervals do not cover another split of the data, another grid of β, or
another evaluation.
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdpipe.claims.judging import judge
from rdpipe.common.files import read_parquet
from rdpipe.figures import _style

# Marker and colour: shape and word say it, too, for eyes and printers without colour.
LOOKS = {
    "supported": ("o", _style.COLOURS[0]),
    "not supported": ("X", _style.COLOURS[1]),
    "undetermined": ("D", _style.GREY),
}

# Inches: columns from the left edge of the page, and steps down it.
NAME, SENTENCE, NUMBERS, DECIDABLE, SEEDS, VERDICT = 0.08, 1.72, 3.78, 6.0, 6.26, 6.92
INTERVALS = 2.62, 3.68
LINE, CLAIM = 0.125, 0.09
LETTERS = 108  # of a sentence on a line
ASIDE = "0.35"  # grey of what is not the paper's words or a result


@_style.paper
def draw(
    folder: Path, *, inputs: Mapping[str, Path], claims: Sequence[Mapping[str, Any]]
) -> Figure:
    """Judge claims and draw one row a part, under the sentence of the paper that it belongs to.

    Parameters
    ----------
    folder
        Where claims.pdf, .png and .csv (the table of `rdpipe.claims.judging.judge`) go.
    inputs
        `<experiment>/runs` and `<experiment>/neighbours`, rd.parquet and neighbours.parquet of
        each experiment that a claim is tested on.
    claims
        Each with its `name`, `experiment` and `roles`.
    """
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for key, path in inputs.items():
        experiment, _, table = key.rpartition("/")
        tables.setdefault(experiment, {})[table] = read_parquet(path)
    verdicts = judge(tables, claims)
    return _style.save(_page(verdicts), folder, "claims", verdicts)


def _page(verdicts: pd.DataFrame) -> Figure:
    entries = [rows for _, rows in verdicts.groupby(_entry(verdicts), sort=False)]
    sentences = [_sentence(rows.iloc[0]) for rows in entries]
    lines = sum(len(rows) + len(text) + 1 for rows, text in zip(entries, sentences, strict=True))
    height = (lines + 7) * LINE + len(entries) * CLAIM
    figure = Figure(figsize=(_style.WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, _style.WIDTH), ylim=(height, 0))  # in inches
    axes.set_axis_off()
    y = _head(axes)
    for rows, text in zip(entries, sentences, strict=True):
        axes.plot([NAME, VERDICT], [y - LINE / 2] * 2, color="0.85", linewidth=0.5)
        y += CLAIM / 2
        y = _claim(axes, y, rows, text)
        y += CLAIM / 2
    axes.text(NAME, y, _foot(verdicts), fontsize=_style.TINY, va="top", color=ASIDE)
    return figure


def _sentence(row: pd.Series) -> list[str]:
    """The lines of a claim's sentence; for a question, its hypothesis and the reason of margins."""
    if not row["reason"]:
        return textwrap.wrap(f"“{row['sentence']}”", LETTERS)
    texts = row["sentence"], f"Margin: {row['reason']}"
    return [line for text in texts for line in textwrap.wrap(text, LETTERS)]


def _entry(verdicts: pd.DataFrame) -> pd.Series:
    """Number of the claim of each row: one name may be tested on several experiments."""
    of = verdicts[["claim", "experiment", "roles"]]
    return of.ne(of.shift()).any(axis=1).cumsum()


def _head(axes: Axes) -> float:
    """The names of the columns; where the first claim starts."""
    y = 1.2 * LINE
    middle = sum(INTERVALS) / 2
    words: dict[str, Any] = {"fontsize": _style.SMALL, "va": "center", "color": ASIDE}
    axes.text(INTERVALS[0] - 0.03, y, "\N{LEFTWARDS ARROW} against", **words)
    axes.text(INTERVALS[1] + 0.03, y, "for \N{RIGHTWARDS ARROW}", ha="right", **words)
    axes.text(middle, y, "margin", ha="center", **words)
    axes.text(NUMBERS, y, "effect [95 % interval] and what is claimed", **words)
    axes.text(DECIDABLE, y, "5 seeds decide", ha="right", **words)
    axes.text(SEEDS, y, "seeds", ha="right", **words)
    axes.text(VERDICT, y, "verdict", ha="right", **words)
    return y + 1.2 * LINE


def _claim(axes: Axes, y: float, rows: pd.DataFrame, sentence: Sequence[str]) -> float:
    """One claim's sentence, roles and parts; where the next one starts."""
    first = rows.iloc[0]
    verdict = first["claim_verdict"]
    axes.text(NAME, y, first["claim"], fontsize=7, va="center", weight="bold")
    axes.text(
        VERDICT, y, verdict, fontsize=7.5, va="center", ha="right",
        weight="bold", color=LOOKS[verdict][1],
    )  # fmt: skip
    for line in sentence:
        axes.text(SENTENCE, y, line, fontsize=_style.SMALL, va="center", style="italic")
        y += LINE
    roles = textwrap.shorten(f"{first['experiment']}: {first['roles']}", LETTERS, placeholder=" …")
    axes.text(SENTENCE, y, roles, fontsize=_style.SMALL, va="center", color=ASIDE)
    y += LINE
    middle = sum(INTERVALS) / 2
    axes.plot(
        [middle] * 2, [y - LINE / 2, y + (len(rows) - 0.5) * LINE], color="0.7", linewidth=0.5
    )
    for _, row in rows.iterrows():
        _part(axes, y, row)
        y += LINE
    return y


def _part(axes: Axes, y: float, row: pd.Series) -> None:
    """A part: its effect and interval about the margin, in words and drawn.

    A part that does not decide is grey, in brackets, and its marker is hollow.
    """
    decides = row["decides"]
    marker, colour = LOOKS[row["verdict"]] if decides else (LOOKS[row["verdict"]][0], _style.GREY)
    small: dict[str, Any] = {"fontsize": _style.SMALL, "va": "center"}
    ink: dict[str, Any] = {"color": "black" if decides and _known(row) else "0.4"}
    name = textwrap.shorten(row["part"] or "all parts", 72, placeholder=" …")
    axes.text(NAME + 0.08, y, name if decides else f"({name}; shown only)", **ink, **small)
    verdict = row["verdict"] if decides else f"({row['verdict']})"
    axes.text(VERDICT, y, verdict, ha="right", color=colour, **small)
    axes.text(NUMBERS, y, _numbers(row), **ink, **small)
    if not _known(row):
        return
    if row["n"]:
        axes.text(SEEDS, y, row["n"], ha="right", **ink, **small)
        axes.text(DECIDABLE, y, _decidable(row), ha="right", **ink, **small)
    ends = row[["low", "effect", "high"]].to_numpy(float) - row["margin"]
    if row["claimed"] == "below":
        ends = -ends
    scale = np.abs(ends).max() or 1.0  # each part has its own: only the side compares
    left, right = INTERVALS
    low, effect, high = (left + right) / 2 + ends / scale * (right - left) / 2
    axes.plot([low, high], [y, y], color=colour, linewidth=1.0)
    face = colour if decides else "white"
    axes.plot(
        effect, y, marker=marker, markersize=3, color=colour,
        markerfacecolor=face, markeredgewidth=0 if decides else 0.6,
    )  # fmt: skip


def _known(row: pd.Series) -> bool:
    return bool(np.isfinite(row[["low", "effect", "high"]].to_numpy(float)).all())


def _numbers(row: pd.Series) -> str:
    if not _known(row):
        return textwrap.shorten(row["note"], 60, placeholder=" …")
    sign = ">" if row["claimed"] == "above" else "<"
    text = f"{row['effect']:.3g}"
    if row["n"]:
        text += f" [{row['low']:.3g}, {row['high']:.3g}]"
    text += f" {sign} {row['margin']:g} {row['unit']}".rstrip()
    return text.replace("-", "\N{MINUS SIGN}")


def _decidable(row: pd.Series) -> str:
    """The true effect from which on five seeds decide as claimed, in 80 % of studies."""
    beyond = row["decidable_5_seeds"] * (1 if row["claimed"] == "above" else -1)
    sign = ">" if row["claimed"] == "above" else "<"
    return f"{sign} {row['margin'] + beyond:.2g}".replace("-", "\N{MINUS SIGN}")


def _foot(verdicts: pd.DataFrame) -> str:
    """What the intervals are conditional on, and the count of verdicts."""
    of_claims = verdicts.loc[_entry(verdicts).diff().ne(0), "claim_verdict"].value_counts()
    counts = ", ".join(f"{of_claims.get(verdict, 0)} {verdict}" for verdict in LOOKS)
    what = "Questions" if verdicts["reason"].all() else "Claims"
    return (
        f"{what}: {counts}. Each interval is over seeds, conditional on the split, the grid of β "
        "and the evaluation,\nand is drawn on a scale of its own; a verdict is the side of the "
        "margin that all of it lies on.\nAt the deviation over seeds seen here, five seeds decide "
        "a part in 80 % of studies if its true effect is as given."
    )
