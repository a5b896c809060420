"""What figures call splits and sizes, and the colours they give to splits."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.typing import ColorType

SPLIT_KINDS = {"cv": "CV", "cd": "CD", "checkerboard": "Checkerboard"}
"""Each kind of split in a few letters."""

PAPERS_OWN = "Tetrominoes"  # the dataset that needs no mention
_LONG = {"cv": "Constant volume (CV)", "cd": "Constant density (CD)"}
_SHADES = {"cv": "Blues", "cd": "Oranges", "checkerboard": "Greens"}


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


def split_labels(summary: pd.DataFrame, splits: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Each split's label by its name, with its dataset unless all are of the paper's own.

    Parameters
    ----------
    summary
        An experiment's rd_summary.parquet.
    splits
        `name` and `dataset` of each.
    """
    return {
        split["name"]: in_dataset(split_label(summary, split["name"]), split["dataset"], splits)
        for split in splits
    }


def in_dataset(label: str, dataset: str, splits: Sequence[Mapping[str, str]]) -> str:
    """A label with the name of its dataset, unless all `splits` are of the paper's own."""
    return (
        label if {split["dataset"] for split in splits} == {PAPERS_OWN} else f"{dataset}, {label}"
    )


def split_colours(summary: pd.DataFrame, splits: Sequence[str]) -> dict[str, ColorType]:
    """A colour a split, in the order of kinds and sizes.

    The kind gives the hue, the size the shade: the largest is the darkest.
    """
    about = summary.drop_duplicates("split").set_index("split").loc[list(splits)]
    colours: dict[str, ColorType] = {}
    for kind, shades in _SHADES.items():
        alike = about[about["split_kind"] == kind].sort_values("n_train", kind="stable")
        light_to_dark = np.linspace(0.85, 0.4, len(alike))[::-1]  # neither black nor pale
        colours |= dict(zip(alike.index, colormaps[shades](light_to_dark), strict=True))
    return colours


def split_title(name: str, kind: str) -> str:
    """A split in full: its kind, or what the paper calls the split of the study's default."""
    return "50/50 random (default)" if name == "default" else _LONG.get(kind, SPLIT_KINDS[kind])
