"""One experiment's runs as tables: all of them, their summary over seeds, their pictures.

`rd` has one row a run and part; its columns are AXES, `status`, and the metrics in the order of
`rdpipe.evaluation`, which says what each is. `rd_summary` has one row a group of runs that differ
only in their seed; its columns are GROUP, `n` (runs that finished), `n_diverged`, then
`<metric>_mean` and `<metric>_std` for each metric.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from rdpipe.errors import RdpipeError
from rdpipe.files import read_npz, write_csv, write_npz, write_parquet

RUN = ["dataset", "split", "split_kind", "arch", "beta", "seed"]
AXES = [*RUN, "part", "n_train", "n_test"]
GROUP = [axis for axis in AXES if axis != "seed"]
PICTURES = ["input", "reconstruction", "neighbour", "distance"]


def write_tables(
    folder: Path,
    *,
    runs: Sequence[Mapping[str, Any]],
    metrics: Sequence[Path],
    reconstructions: Sequence[Path],
) -> None:
    """Write `rd` and `rd_summary` (Parquet and CSV) and `reconstructions.npz`.

    Parameters
    ----------
    folder
        Where the files go.
    runs
        The axes RUN of each run, in the order of the rows.
    metrics
        Each run's metrics.parquet.
    reconstructions
        Each run's reconstructions.npz; those of the smallest seed are read.
    """
    rd = rd_table(runs, metrics)
    for name, table in (("rd", rd), ("rd_summary", summarise(rd))):
        write_parquet(folder / f"{name}.parquet", table)
        write_csv(folder / f"{name}.csv", table)
    write_npz(folder / "reconstructions.npz", **first_reconstructions(runs, reconstructions))


def rd_table(runs: Sequence[Mapping[str, Any]], metrics: Sequence[Path]) -> pd.DataFrame:
    """Join the axes of R runs with their metrics: 2 R rows, train before test."""
    # one reader for all files, in the given order: 6,240 files in seconds
    paths = [str(path) for path in metrics]
    measured = pq.read_table(paths, partitioning=None).to_pandas()
    if measured["part"].tolist() != ["train", "test"] * len(runs):
        parts = (
            (path, pq.read_table(path, columns=["part"])["part"].to_pylist()) for path in paths
        )
        faulty = next(path for path, part in parts if part != ["train", "test"])
        raise RdpipeError(
            f"{faulty} does not hold one train row, then one test row; "
            "remove it and call snakemake again."
        )
    n = measured["n"].to_numpy().reshape(-1, 2)  # of train and test
    axes = pd.DataFrame([run for run in runs for _ in range(2)], columns=RUN)
    axes = axes.astype({"beta": float, "seed": int}).assign(
        part=measured["part"], n_train=n[:, 0].repeat(2), n_test=n[:, 1].repeat(2)
    )
    return pd.concat([axes, measured.drop(columns=["part", "n"])], axis=1)


def summarise(rd: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation (n - 1 in the denominator) over the seeds that finished.

    Groups stand in the order of their first row. The standard deviation is NaN below two seeds; a
    finished run whose metric is NaN makes its group's NaN: it is not passed over.
    """
    metrics = rd.columns.drop([*AXES, "status"])
    status = rd["status"]
    counted = rd.assign(n=status == "finished", n_diverged=status == "diverged")
    summary = counted.groupby(GROUP, sort=False)[["n", "n_diverged"]].sum()
    finished = rd[status == "finished"].groupby(GROUP, sort=False)[list(metrics)]
    whole = finished.count().eq(finished.size(), axis=0)
    mean, std = finished.mean().where(whole), finished.std(ddof=1).where(whole)
    for metric in metrics:
        summary[f"{metric}_mean"] = mean[metric]
        summary[f"{metric}_std"] = std[metric]
    return summary.reset_index()


def first_reconstructions(
    runs: Sequence[Mapping[str, Any]], reconstructions: Sequence[Path]
) -> dict[str, np.ndarray]:
    """The pictures of the smallest seed's R runs, each array with a leading axis of runs.

    split, arch (text) and beta (float64) name the runs, (R,) each; input, reconstruction and
    neighbour are uint8 (R, K, H, W, C), distance is float64 (R, K).
    """
    first = min(run["seed"] for run in runs)
    chosen = [i for i, run in enumerate(runs) if run["seed"] == first]
    pictures = [read_npz(reconstructions[i]) for i in chosen]
    shapes = {picture["input"].shape for picture in pictures}
    if len(shapes) > 1:
        raise RdpipeError(
            "the reconstructions of one experiment differ in number or size of images, "
            f"(K, H, W, C) = {sorted(shapes)}: give each of these its own experiment"
        )
    named = {
        "split": np.array([runs[i]["split"] for i in chosen]),
        "arch": np.array([runs[i]["arch"] for i in chosen]),
        "beta": np.array([runs[i]["beta"] for i in chosen], float),
    }
    return named | {name: np.stack([picture[name] for picture in pictures]) for name in PICTURES}
