"""What figures call splits and sizes."""

import pandas as pd

SPLIT_KINDS = {"cv": "CV", "cd": "CD", "checkerboard": "Checkerboard"}
"""Each kind of split in a few letters."""

_LONG = {"cv": "Constant volume (CV)", "cd": "Constant density (CD)"}


def thousands(n: int) -> str:
    """A sample size as the paper writes it: 81920 is 82k, 819 is 0.8k."""
    return f"{n / 1000:.1g}k" if n < 1000 else f"{n / 1000:.0f}k"


def split_label(summary: pd.DataFrame, split: str) -> str:
    """A split as the paper names it, from its kind and sizes: CV(16k/147k).

    Parameters
    ----------
    summary
        An experiment's rd_summary.parquet.
    split
        The split's name in the study.
    """
    row = summary[summary["split"] == split].iloc[0]
    sizes = f"{thousands(row['n_train'])}/{thousands(row['n_test'])}"
    return f"{SPLIT_KINDS[row['split_kind']]}({sizes})"


def split_title(name: str, kind: str) -> str:
    """A split in full: its kind, or what the paper calls the split of the study's default."""
    return "50/50 random (default)" if name == "default" else _LONG.get(kind, SPLIT_KINDS[kind])
