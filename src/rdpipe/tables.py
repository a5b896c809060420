"""One experiment's runs as tables: all of them, their summary over seeds, their pictures.

`rd` has one row a run and part; its columns are AXES, `status`, and the metrics in the order of
`rdpipe.evaluation`, which says what each is. `rd_summary` has one row a group of runs that differ
only in their seed; its columns are GROUP, `n` (runs that finished), `n_diverged`, then
`<metric>_mean` and `<metric>_std` for each metric. `neighbours` says how far the test images of
each split are from its training images.

An experiment that asks for diagnostics has their columns after these metrics, by the order in which
it names the measures.

Both end with what a reader must know before believing a number. `rd` has `made_with` (device and
release of PyTorch) and `learned`, false for a run that stopped learning. `rd_summary` has `n_seeds`
(runs asked for), `n_idle` (those among the `n` that stopped learning), `made_with`, and `note`,
which is empty where nothing is to be said. Code and settings cannot differ within an experiment:
the address of a run covers them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_npz, read_parquet, write_csv, write_npz, write_parquet

RUN = ["dataset", "split", "split_kind", "arch", "beta", "seed", "iteration"]
AXES = [*RUN, "part", "n_train", "n_test"]
PARTS = ["train", "test"]
OWN_AXES = ["beta", "seed", "part"]  # which metrics.parquet has itself
GROUP = [axis for axis in AXES if axis != "seed"]
OF_RUN = ["reconstruction", "optimal"]  # pictures that each run has its own of
OF_SPLIT = ["input", "neighbour", "distance"]
NOTES = ["made_with", "learned"]  # last columns of rd, which are no metrics
IDLE = 0.01  # nats: below this rate a run tells its decoder nothing
AWAKE = 0.1  # nats: above this rate at a larger β, the same seed did learn
SHARES = np.linspace(0, 1, 201)


def write_tables(
    folder: Path,
    *,
    runs: Sequence[Mapping[str, Any]],
    splits: Sequence[str],
    metrics: Sequence[Path],
    reconstructions: Sequence[Path],
    distances: Sequence[Path],
    measures: Sequence[str] = (),
    diagnostics: Sequence[Path] = (),
    made_with: Sequence[str] = (),
) -> None:
    """Write `rd`, `rd_summary` and `neighbours` (Parquet and CSV) and `reconstructions.npz`.

    Parameters
    ----------
    folder
        Where the files go.
    runs
        The axes RUN of each run, in the order of the rows.
    splits
        The splits' names.
    metrics
        Each run's metrics.parquet.
    reconstructions
        The reconstructions.npz of each run of the smallest seed at the end of training.
    distances
        Each split's distances.parquet.
    measures
        The diagnostics that the tables have as well.
    diagnostics
        Each run's metrics.parquet of the first of these, then those of the next.
    made_with
        What each run was trained with, in the order of the rows; empty if nobody knows.
    """
    rd = rd_table(runs, metrics)
    for i, measure in enumerate(measures):
        own = diagnostics[i * len(runs) : (i + 1) * len(runs)]
        rd = with_diagnostic(rd, measure, own)
    made = np.repeat(list(made_with) or [""] * len(runs), len(PARTS))
    rd = rd.assign(made_with=made, learned=learned(rd))
    tables = {
        "rd": rd,
        "rd_summary": summarise(rd),
        "neighbours": distance_quantiles(splits, distances),
    }
    for name, table in tables.items():
        write_parquet(folder / f"{name}.parquet", table)
        write_csv(folder / f"{name}.csv", table)
    write_npz(folder / "reconstructions.npz", **first_reconstructions(runs, reconstructions))


def rd_table(runs: Sequence[Mapping[str, Any]], metrics: Sequence[Path]) -> pd.DataFrame:
    """Join the axes of R runs with their metrics: 2 R rows, train before test.

    `iteration` is the length of training: its end, or a checkpoint.
    """
    measured, paths = _read(metrics)
    axes = pd.DataFrame([run for run in runs for _ in PARTS], columns=RUN)
    axes = axes.astype({"beta": float, "seed": int, "iteration": int}).assign(
        part=len(runs) * PARTS
    )
    if not measured[OWN_AXES].equals(axes[OWN_AXES]):
        raise _misfit(axes, paths)
    n = measured["n"].to_numpy().reshape(-1, 2)  # of train and test
    axes = axes.assign(n_train=n[:, 0].repeat(2), n_test=n[:, 1].repeat(2))
    return pd.concat([axes, measured.drop(columns=[*OWN_AXES, "n"])], axis=1)


def with_diagnostic(rd: pd.DataFrame, measure: str, metrics: Sequence[Path]) -> pd.DataFrame:
    """The rows of R runs with the columns of one measure, from each run's metrics.parquet."""
    measured, paths = _read(metrics)
    if not measured[OWN_AXES].equals(rd[OWN_AXES]):
        raise _misfit(rd, paths)
    columns = measured.drop(columns=OWN_AXES)
    if twice := [*rd.columns.intersection(columns.columns)]:
        raise RdpipeError(f"diagnostic {measure} measures {twice}, which the tables have; rename.")
    return pd.concat([rd, columns], axis=1)


def _read(metrics: Sequence[Path]) -> tuple[pd.DataFrame, list[str]]:
    """The rows of several files, and their paths. One reader for all: 6,240 files in seconds."""
    paths = [str(path) for path in metrics]
    return pq.read_table(paths, partitioning=None).to_pandas(), paths


def _misfit(axes: pd.DataFrame, paths: Sequence[str]) -> RdpipeError:
    """The sentence for the first file whose rows are not those of its run."""
    for i, path in enumerate(paths):
        expected = axes[OWN_AXES].iloc[2 * i : 2 * i + 2].to_numpy().tolist()
        found = pq.read_table(path, columns=OWN_AXES).to_pandas().to_numpy().tolist()
        if found != expected:
            break
    return RdpipeError(
        f"{path} has rows of other runs or parts ({found}) than its place says ({expected}); "
        "remove it and call snakemake again."
    )


def learned(rd: pd.DataFrame) -> pd.Series:
    """Which runs learned, by their rate on the training part; true for runs that diverged.

    A large β may bring the rate of any run to 0 (Section 4.4). A run has stopped learning if its
    rate is below IDLE, and either the rate of its seed is so at every one of several β, or a larger
    β of its seed has a rate above AWAKE. Then the β is not what keeps the rate down: units of the
    encoder are dead, or the decoder ignores them.
    """
    of_seed = ["dataset", "split", "arch", "seed"]
    train = rd[rd["part"] == "train"]
    finished = train["status"] == "finished"
    rate = train["rate"].where(finished, -np.inf)
    ordered = train.assign(rate=rate).sort_values("beta", ascending=False, kind="stable")
    by_seed = ordered.groupby(of_seed, sort=False)
    larger = by_seed["rate"].cummax()  # its own and those of all larger β
    most, several = by_seed["rate"].transform("max"), by_seed["beta"].transform("size") > 1
    idle = (ordered["rate"] < IDLE) & ((larger > AWAKE) | ((most < IDLE) & several))
    idle = (idle & finished.loc[idle.index]).sort_index()
    return pd.Series(~idle.to_numpy().repeat(len(PARTS)), rd.index)


def summarise(rd: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation (n - 1 in the denominator) over the seeds that finished.

    Groups stand in the order of their first row. The standard deviation is NaN below two seeds; a
    finished run whose metric is NaN makes its group's NaN: it is not passed over.
    """
    metrics = rd.columns.drop([*AXES, "status", *NOTES])
    status = rd["status"]
    counted = rd.assign(n=status == "finished", n_diverged=status == "diverged")
    counts = counted.groupby(GROUP, sort=False)[["n", "n_diverged"]].sum()
    finished = rd[status == "finished"].groupby(GROUP, sort=False)[list(metrics)]
    whole = finished.count().eq(finished.size(), axis=0)
    mean, std = finished.mean().where(whole), finished.std(ddof=1).where(whole)
    moments = {
        f"{metric}_{moment}": values[metric]
        for metric in metrics
        for moment, values in (("mean", mean), ("std", std))
    }
    summary = pd.concat([counts, pd.DataFrame(moments).reindex(counts.index)], axis=1)
    groups = counted.assign(idle=counted["n"] & ~counted["learned"]).groupby(GROUP, sort=False)
    summary["n_seeds"], summary["n_idle"] = groups.size(), groups["idle"].sum()
    summary["made_with"] = groups["made_with"].agg(lambda values: "; ".join(sorted(set(values))))
    summary["note"] = summary.apply(_note, axis=1)
    return summary.reset_index()


def _note(row: pd.Series) -> str:
    """What must be said of a group of runs."""
    parts = [f"{row['n_diverged']} of {row['n_seeds']} diverged"] if row["n_diverged"] else []
    if row["n_idle"]:
        parts.append(f"{row['n_idle']} of {row['n_seeds']} stopped learning")
    if ";" in row["made_with"]:
        parts.append("made with different devices or releases")
    return "; ".join(parts)


def distance_quantiles(splits: Sequence[str], distances: Sequence[Path]) -> pd.DataFrame:
    """Quantiles of the ℓ2 distance of a split's test images to their nearest training image.

    One row a split and share of the test images, 0 to 1 in steps of 0.005; the distance is over
    pixels and channels at intensities in [0, 1].
    """
    quantiles = [
        np.quantile(read_parquet(path)["distance"], SHARES, method="inverted_cdf")
        for path in distances
    ]
    return pd.DataFrame(
        {
            "split": np.repeat(splits, len(SHARES)),
            "share": np.tile(SHARES, len(splits)),
            "distance": np.concatenate(quantiles),
        }
    )


def first_reconstructions(
    runs: Sequence[Mapping[str, Any]], reconstructions: Sequence[Path]
) -> dict[str, np.ndarray]:
    """The pictures of the smallest seed's runs at the end of training, by split.

    R runs and K difficult examples.

    Each split s has `s/arch` (R,) text and `s/beta` (R,) float64, which name its runs;
    `s/reconstruction` and `s/optimal`, uint8 (R, K, H, W, C); and, the same for all its runs,
    `s/input` and `s/neighbour`, uint8 (K, H, W, C), and `s/distance`, float64 (K,).
    """
    first = min(run["seed"] for run in runs)
    end = max(run["iteration"] for run in runs)
    shown = [run for run in runs if run["seed"] == first and run["iteration"] == end]
    of_split = defaultdict(list)
    for run, path in zip(shown, reconstructions, strict=True):
        of_split[run["split"]].append((run, read_npz(path)))
    arrays: dict[str, np.ndarray] = {}
    for split, found in of_split.items():
        chosen, pictures = zip(*found, strict=True)
        arrays[f"{split}/arch"] = np.array([run["arch"] for run in chosen])
        arrays[f"{split}/beta"] = np.array([run["beta"] for run in chosen], float)
        for name in OF_RUN:
            arrays[f"{split}/{name}"] = np.stack([picture[name] for picture in pictures])
        for name in OF_SPLIT:
            arrays[f"{split}/{name}"] = pictures[0][name]
    return arrays
