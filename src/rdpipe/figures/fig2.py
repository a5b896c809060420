"""Figure 2: train/test splits of a toy dataset of two factors.

Each panel divides the same 600 points into a training part and a test part. In a CV split, a random
share of all points trains. In a CD split, both parts keep their density and lie in a smaller box;
grey points are in neither part. In the checkerboard split, cells alternate between the parts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rdpipe.figures import _style
from rdpipe.figures._labels import split_title
from rdpipe.splits import assign

BINS = (24, 25)  # 600 samples, as in the paper
LOOKS: dict[str, dict[str, Any]] = {
    "unused": {"color": "0.85", "s": 3},
    "test": {"color": _style.TEST, "s": 5, "marker": "x", "linewidths": 0.5},
    "train": {"color": _style.TRAIN, "s": 5},
}


def draw(
    folder: Path, *, inputs: Mapping[str, Path], splits: Sequence[Mapping[str, Any]]
) -> Figure:
    """Draw one panel a split.

    Parameters
    ----------
    folder
        Where fig2.pdf, .png and .csv (the samples of every panel with their part) go.
    inputs
        Empty: the samples are drawn here.
    splits
        The rule of each split: its `name`, and the arguments of `rdpipe.splits.assign`. Kind cv
        has the `fraction` that trains in place of `n_train`.
    """
    unit = samples()
    assigned = []
    side, gap, left, bottom = 1.54, 0.16, 0.2, 0.48  # inches
    figure = Figure(figsize=(left + len(splits) * (side + gap), side + bottom + 0.42))
    for i, rule in enumerate(splits):
        axes = _style.place(figure, left + i * (side + gap), bottom, side, side)
        part = assign(unit, **_settings(rule, len(unit)))
        for name, look in LOOKS.items():
            axes.scatter(*unit[part == name].T, label=name, clip_on=False, **look)
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[], xlabel="factor 1")
        sizes = f"{(part == 'train').sum()} train, {(part == 'test').sum()} test"
        axes.set_title(split_title(rule["name"], rule["kind"]) + "\n" + sizes)
        if i == 0:
            axes.set_ylabel("factor 2")
        columns = {
            "split": rule["name"],
            "factor_1": unit[:, 0],
            "factor_2": unit[:, 1],
            "part": part,
        }
        assigned.append(pd.DataFrame(columns))
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="lower center", ncol=3)
    return _style.save(figure, folder, "fig2", pd.concat(assigned))


def samples() -> np.ndarray:
    """A stratified sample (600, 2) of the unit square: one draw a bin."""
    corners = np.indices(BINS).reshape(2, -1).T
    return (corners + np.random.default_rng(0).random(corners.shape)) / BINS


def _settings(rule: Mapping[str, Any], n: int) -> dict[str, Any]:
    """The arguments of `assign`: the rule without its name, its fraction as a number."""
    settings = {key: value for key, value in rule.items() if key not in ("name", "fraction")}
    return settings | ({"n_train": round(rule["fraction"] * n)} if "fraction" in rule else {})
