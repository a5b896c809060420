"""What the RD explorer of the report shows: curves, runs, histories and pictures, as one JSON.

Numbers have four digits, as many as the page shows. A pair is a split and an architecture. The
lists of a pair's runs go through all β and, for each β, through all seeds. Pictures are of the
smallest seed.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rdpipe.common.files import read_npz
from rdpipe.report import pictures
from rdpipe.report.tables import Experiment
from rdpipe.results import Results, Run
from rdpipe.tables import AXES, NOTES, PARTS

EXAMPLES = 4  # pictures of a run; with all of an evaluation, a large study would be too large
POINTS = 24  # of a history
HISTORY = ("distortion", "rate")


def explorer(results: Results, experiments: Sequence[Experiment]) -> dict[str, Any]:
    """All data of the explorer, in builtins.

    Returns
    -------
    dict
        - betas, seeds: all values, the axes of lists of runs
        - experiments: for each its `name`, and the `splits` and `archs` with name and label
        - sizes: of each split, the number of training and of test images
        - pairs: by `split/arch`, its `curves` by part, its `runs`, `history` and `pictures`
        - inputs: by split, a sheet of test images (first row) and their neighbours
    """
    betas, seeds = results.betas, results.seeds
    pairs: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    sizes: dict[str, Any] = {}
    for experiment in experiments:
        for split, arch in experiment.pairs():
            if f"{split}/{arch}" in pairs:  # another experiment has the same runs
                continue
            runs = [
                results.run(split, arch, beta=beta, seed=seed) for beta in betas for seed in seeds
            ]
            rows = experiment.summary.query("split == @split and arch == @arch")
            sizes[split] = [int(rows["n_train"].iloc[0]), int(rows["n_test"].iloc[0])]
            shown = _pictures(_first(runs))
            if shown:
                inputs.setdefault(split, shown.pop("inputs"))
            pairs[f"{split}/{arch}"] = {
                "curves": {part: _curve(rows[rows["part"] == part]) for part in PARTS},
                "runs": _runs(experiment.rd.query("split == @split and arch == @arch"), runs),
                "history": _history(runs),
                "pictures": shown,
            }
    return {
        "betas": betas,
        "seeds": seeds,
        "first": min(seeds),
        "experiments": [_choices(one) for one in experiments],
        "sizes": sizes,
        "pairs": pairs,
        "inputs": inputs,
    }


def _first(runs: Sequence[Run]) -> list[Run]:
    """The runs of the smallest seed."""
    smallest = min(run.seed for run in runs)
    return [run for run in runs if run.seed == smallest]


def _choices(experiment: Experiment) -> dict[str, Any]:
    named = {"splits": experiment.splits, "archs": experiment.archs}
    lists = {
        key: [{"name": one.name, "label": one.label} for one in every]  # type: ignore[attr-defined]
        for key, every in named.items()
    }
    return {"name": experiment.name} | lists


def _curve(rows: pd.DataFrame) -> dict[str, list[Any]]:
    """The points of a curve by ascending β; a β without finished runs has none."""
    known = rows[rows["n"] > 0].sort_values("beta")
    columns = [f"{axis}_{moment}" for axis in ("rate", "distortion") for moment in ("mean", "std")]
    return {
        "beta": known["beta"].tolist(),
        "n": known["n"].tolist(),
        "note": known["note"].tolist(),
        **{column: _numbers(known[column]) for column in columns},
    }


def _runs(rd: pd.DataFrame, runs: Sequence[Run]) -> dict[str, Any]:
    """Status of each run, and its measures by part; null where a part has no such measure."""
    metrics = rd.columns.drop([*AXES, "status", *NOTES])
    by_part = {part: rd[rd["part"] == part].set_index(["beta", "seed"]) for part in PARTS}
    keys = pd.MultiIndex.from_tuples([(run.beta, run.seed) for run in runs])
    status = by_part["train"]["status"].reindex(keys)
    learned = by_part["train"]["learned"].reindex(keys)
    measures = {
        part: {
            name: _numbers(rows[name].reindex(keys)) for name in metrics if rows[name].notna().any()
        }
        for part, rows in by_part.items()
    }
    return {
        "status": [
            "missing" if pd.isna(one) else "idle" if not learns else one
            for one, learns in zip(status, learned.fillna(True), strict=True)
        ],
        "measures": measures,
    }


def _history(runs: Sequence[Run]) -> dict[str, Any]:
    """D and R over the iterations of each run; null for a run that has no history."""
    found = [run.history if (run.folder / "history.parquet").exists() else None for run in runs]
    thinned = [None if one is None else _thinned(one) for one in found]
    longest = max(
        (one["iteration"].tolist() for one in thinned if one is not None), key=len, default=[]
    )
    return {"iteration": longest} | {
        name: [None if one is None else _numbers(one[name]) for one in thinned] for name in HISTORY
    }


def _thinned(history: pd.DataFrame) -> pd.DataFrame:
    """At most POINTS rows, the last among them."""
    step = math.ceil(len(history) / POINTS)
    return history.iloc[(len(history) - 1) % step :: step] if len(history) else history


def _pictures(runs: Sequence[Run]) -> dict[str, Any]:
    """A sheet with a row for each β: reconstructions, then what the optimal decoder makes.

    Empty if no run has any.
    """
    found = {
        i: read_npz(path)
        for i, run in enumerate(runs)
        if (path := run.evaluation / "reconstructions.npz").exists()
    }
    if not found:
        return {}
    arrays = {
        i: {name: array[:EXAMPLES] for name, array in one.items()} for i, one in found.items()
    }
    first = next(iter(arrays.values()))
    rows = [np.concatenate([one["reconstruction"], one["optimal"]]) for one in arrays.values()]
    examples, height, width, _ = first["input"].shape
    return {
        "sheet": pictures.sheet(np.stack(rows)),
        "rows": {str(i): row for row, i in enumerate(arrays)},
        "inputs": {
            "sheet": pictures.sheet(np.stack([first["input"], first["neighbour"]])),
            "examples": examples,
            "height": height,
            "width": width,
            "distance": _numbers(first["distance"]),
        },
    }


def _numbers(values: Iterable[Any]) -> list[float | None]:
    """Numbers with four digits; null for those that are not finite."""
    return [float(f"{one:.4g}") if math.isfinite(one) else None for one in values]
