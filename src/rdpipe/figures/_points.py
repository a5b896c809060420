"""What of an experiment's summary a figure shows: rows of one split, architecture and part."""

from collections.abc import Sequence

import pandas as pd


def points(
    summary: pd.DataFrame, split: str, arch: str, part: str, metrics: Sequence[str]
) -> pd.DataFrame:
    """The points of a curve by ascending β; a β at which no metric has a value is left out.

    A β none of whose runs finished has no value.

    Parameters
    ----------
    summary
        An experiment's rd_summary.parquet.
    split, arch, part
        Which of its groups of runs.
    metrics
        Which of its metrics: `columns` says what is returned of each.
    """
    chosen = summary[
        (summary["split"] == split) & (summary["arch"] == arch) & (summary["part"] == part)
    ]
    means = [f"{metric}_mean" for metric in metrics]
    return chosen.dropna(subset=means, how="all").sort_values("beta")[columns(metrics)]


def columns(metrics: Sequence[str]) -> list[str]:
    """The columns of `points`: names of a point, its number of runs, each metric's moments."""
    moments = [f"{metric}_{moment}" for metric in metrics for moment in ("mean", "std")]
    return ["split", "arch", "part", "beta", "n", *moments]
