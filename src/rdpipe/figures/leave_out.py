"""Memorisation by leaving out: how much likelier images are for being trained on, against β.

The leave-out score of an image is its mean log p(x) over trainings with the image, minus the mean
over trainings without it, in nats (van den Burg and Williams, 2021). A high score means that a
model knows the image only because it was trained on the image. The curves are quantiles over
images; each point is one β.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.typing import LineStyleType

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_parquet
from rdpipe.figures import _over_beta, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch

LIKELIHOODS_APART = True  # each architecture has a panel with limits of its own
SHARES = {"median": 0.5, "high": 0.9, "highest": 0.99}
LOOKS: dict[str, LineStyleType] = {"median": "-", "high": "--", "highest": ":"}


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw a panel for each architecture: quantiles over images of the leave-out score, in nats.

    The score of an image is log p(x), its mean over the trainings with the image minus its mean
    over those without (van den Burg and Williams, 2021). The splits of the experiment divide one
    dataset several times, at random. The CSV also has the row of the most memorised image.
    """
    trained = _trained(experiment)
    figure, grid = _style.panels(
        1,
        len(experiment.archs),
        legend=[_style.line(f"{share:.0%} of images", "black", LOOKS[name])
                for name, share in SHARES.items()],
        xlabel=r"$\beta$",
        ylabel="nats",
        share="none",
    )  # fmt: skip
    tables = []
    for axes, arch in zip(grid.flat, experiment.archs, strict=True):
        shown = _points(experiment, arch, trained)
        for name, style in LOOKS.items():
            look = {"color": _style.COLOURS[0], "linestyle": style}
            _over_beta.plot(axes, shown, name, **look)
        if len(shown):
            _over_beta.scale(axes, shown["beta"])
        _style.title(axes, arch.label)
        tables.append(shown)
    return _style.save(figure, folder, "leave_out", pd.concat(tables))


def scores(log_likelihood: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """The leave-out score of each of N images, from T trainings.

    log_likelihood (T, N), nats; trained (T, N), whether the training had the image -> (N,). NaN for
    an image that all trainings had, or none. A training that diverged is left out.
    """
    known = np.isfinite(log_likelihood).all(axis=1)
    log_p, has = log_likelihood[known], trained[known]
    with np.errstate(invalid="ignore"):  # 0/0 is NaN, as it should be
        inside = np.where(has, log_p, 0).sum(axis=0) / has.sum(axis=0)
        outside = np.where(has, 0, log_p).sum(axis=0) / (~has).sum(axis=0)
    return inside - outside


def _trained(experiment: Experiment) -> dict[str, np.ndarray]:
    """By split, whether each image of the dataset is in its training part, (N,)."""
    parts = {
        split.name: read_parquet(experiment.paths[f"assignment/{split.name}"])["part"].to_numpy()
        for split in experiment.splits
        if f"assignment/{split.name}" in experiment.paths
    }
    if len(parts) < 2 or len({len(part) for part in parts.values()}) > 1:
        raise RdpipeError(
            "the figure compares trainings on several splits of one dataset; give it "
            "`diagnostic: leave_out` and an experiment with such splits."
        )
    if any((part == "unused").any() for part in parts.values()):
        raise RdpipeError("the figure takes splits that use every image; give it those of kind cv.")
    return {split: part == "train" for split, part in parts.items()}


def _points(experiment: Experiment, arch: Arch, trained: dict[str, np.ndarray]) -> pd.DataFrame:
    """For each β, quantiles of the scores over images; the scores are over splits and seeds."""
    found: dict[float, list[tuple[np.ndarray, np.ndarray]]] = {}
    for key, path in experiment.paths.items():
        if not key.startswith("leave_out/"):
            continue
        _, split, name, beta, _ = key.split("/")
        if name == arch.name:
            has = trained[split]
            values = read_parquet(path)["log_likelihood"].to_numpy()
            by_row = np.empty(len(has))
            by_row[np.concatenate([np.flatnonzero(has), np.flatnonzero(~has)])] = values
            found.setdefault(float(beta), []).append((by_row, has))
    rows = []
    for value, runs in sorted(found.items()):
        score = scores(*(np.stack(arrays) for arrays in zip(*runs, strict=True)))
        if np.isfinite(score).any():
            quantiles = {f"{n}_mean": np.nanquantile(score, q) for n, q in SHARES.items()}
            rows.append(
                {"arch": arch.name, "beta": value, "n": len(runs), "mean": np.nanmean(score)}
                | quantiles
                | {"row_of_highest": int(np.nanargmax(score)), "note": ""}
            )
    columns = [
        "arch",
        "beta",
        "n",
        "mean",
        *(f"{n}_mean" for n in SHARES),
        "row_of_highest",
        "note",
    ]
    shown = pd.DataFrame(rows, columns=columns)
    return shown.assign(**{f"{name}_std": np.nan for name in SHARES})
