"""Tables of an experiment: every run is a row, every summary is over the seeds that finished."""

import math

import numpy as np
import pandas as pd
import pytest

from rdpipe import tables
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_npz, read_parquet, write_npz, write_parquet
from rdpipe.evaluation.evaluate import METRICS


def write_run(folder, run, distortion, status="finished", k=2, side=4):
    """The evaluation of one run: train distortion as given, test distortion one nat more."""
    folder.mkdir(parents=True)
    axes = {"beta": [run["beta"]] * 2, "seed": [run["seed"]] * 2, "part": ["train", "test"]}
    rows = pd.DataFrame(axes | {"n": [16, 9], "status": [status] * 2})
    values = {name: [math.nan, math.nan] for name in METRICS}
    values |= {"distortion": [distortion, distortion + 1], "rate": [7.0, 8.0]}
    write_parquet(folder / "metrics.parquet", rows.assign(**values))
    images = np.full((k, side, side, 1), run["seed"], np.uint8)
    write_npz(
        folder / "reconstructions.npz",
        test=np.arange(k),
        input=images,
        reconstruction=images,
        optimal=images,
        neighbour=images,
        distance=np.arange(float(k)),
    )
    return folder


def a_run(seed, beta=0.1, split="dense", iteration=100):
    names = {"dataset": "tetrominoes", "split": split, "split_kind": "cv", "arch": "mlp-1"}
    return names | {"beta": beta, "seed": seed, "iteration": iteration}


def build(tmp_path, runs, distortions, **options):
    folders = [
        write_run(tmp_path / str(i), run, distortion, **options)
        for i, (run, distortion) in enumerate(zip(runs, distortions, strict=True))
    ]
    return write(tmp_path, runs, folders)


def write(tmp_path, runs, folders, **more):
    splits = list(dict.fromkeys(run["split"] for run in runs))
    distances = [tmp_path / f"{split}.parquet" for split in splits]
    for i, path in enumerate(distances):
        write_parquet(path, pd.DataFrame({"distance": np.arange(1001.0)[::-1] * (i + 1)}))
    tables.write_tables(
        tmp_path,
        runs=runs,
        splits=splits,
        distances=distances,
        metrics=[folder / "metrics.parquet" for folder in folders],
        reconstructions=[
            folder / "reconstructions.npz"
            for folder, run in zip(folders, runs, strict=True)
            if run["seed"] == min(run["seed"] for run in runs)
            and run["iteration"] == max(run["iteration"] for run in runs)
        ],
        **more,
    )
    return read_parquet(tmp_path / "rd.parquet"), read_parquet(tmp_path / "rd_summary.parquet")


def test_every_run_has_a_row_for_train_and_one_for_test(tmp_path):
    runs = [a_run(seed, beta) for beta in (0.1, 1.0) for seed in (0, 1, 2)]
    rd, _ = build(tmp_path, runs, [10.0, 20, 30, 40, 50, 60])
    assert list(rd.columns) == [*tables.AXES, "status", *METRICS, "made_with", "learned"]
    assert len(rd) == 12
    row = rd.query("beta == 1 and seed == 1 and part == 'test'").iloc[0]
    assert (row["distortion"], row["rate"], row["n_train"], row["n_test"]) == (51, 8, 16, 9)


def test_summary_is_mean_and_standard_deviation_over_seeds(tmp_path):
    runs = [a_run(seed, beta) for seed in (0, 1, 2) for beta in (0.1, 1.0)]
    _, summary = build(tmp_path, runs, [10.0, 1, 20, 1, 60, 1])
    assert len(summary) == 4
    row = summary.query("beta == 0.1 and part == 'train'").iloc[0]
    assert (row["n"], row["n_diverged"]) == (3, 0)
    assert row["distortion_mean"] == 30
    assert row["distortion_std"] == pytest.approx(np.std([10, 20, 60], ddof=1))
    assert math.isnan(row["mutual_information_mean"])
    pairs = [f"{metric}_{value}" for metric in METRICS for value in ("mean", "std")]
    assert list(summary.columns) == [
        *(*tables.GROUP, "n", "n_diverged", *pairs),
        *("n_seeds", "n_idle", "made_with", "note"),
    ]


def test_checkpoints_are_rows_and_only_the_end_has_pictures(tmp_path):
    runs = [a_run(seed, iteration=n) for seed in (0, 1) for n in (50, 100)]
    rd, summary = build(tmp_path, runs, [10.0, 1, 20, 3])
    assert list(rd["iteration"]) == 2 * [50, 50, 100, 100]
    train = summary[summary["part"] == "train"].set_index("iteration")
    assert train["distortion_mean"].to_dict() == {50: 15, 100: 2}
    assert read_npz(tmp_path / "reconstructions.npz")["dense/beta"].tolist() == [0.1]


def test_one_seed_has_a_mean_but_no_standard_deviation(tmp_path):
    _, summary = build(tmp_path, [a_run(3)], [10.0])
    assert list(summary["n"]) == [1, 1]
    assert list(summary["distortion_mean"]) == [10, 11]
    assert summary["distortion_std"].isna().all()


def test_diverged_runs_are_counted_and_left_out_of_the_mean(tmp_path):
    runs = [a_run(0), a_run(1), a_run(2), a_run(0, beta=5.0)]
    status = ["finished", "diverged", "finished", "diverged"]
    distortion = [10.0, math.nan, 14.0, math.nan]
    folders = [
        write_run(tmp_path / str(i), runs[i], distortion[i], status=status[i]) for i in range(4)
    ]
    rd, summary = write(tmp_path, runs, folders)
    assert list(rd["status"][::2]) == status
    train = summary[summary["part"] == "train"].set_index("beta")
    assert list(train["n"]) == [2, 0]
    assert list(train["n_diverged"]) == [1, 1]
    assert train["distortion_mean"][0.1] == 12
    assert math.isnan(train["distortion_mean"][5.0])


def test_nan_of_a_finished_run_is_not_passed_over(tmp_path):
    _, summary = build(tmp_path, [a_run(0), a_run(1)], [10.0, math.nan])
    assert list(summary["n"]) == [2, 2]
    assert summary["distortion_mean"].isna().all()
    assert summary["distortion_std"].isna().all()


def test_an_infinite_metric_stays_infinite(tmp_path):
    _, summary = build(tmp_path, [a_run(0), a_run(1)], [10.0, math.inf])
    assert list(summary["distortion_mean"]) == [math.inf, math.inf]


def test_csv_twins_hold_the_same_tables(tmp_path):
    runs = [a_run(seed, beta) for beta in (0.001, 1 / 3) for seed in (0, 1)]
    for name, table in zip(("rd", "rd_summary"), build(tmp_path, runs, [1, 2, 3, 4]), strict=True):
        twin = pd.read_csv(tmp_path / f"{name}.csv")
        texts = twin.columns.intersection(["made_with", "note"])  # empty, which CSV cannot tell
        twin[texts] = twin[texts].astype(object).where(twin[texts].notna(), "")
        pd.testing.assert_frame_equal(twin, table, check_dtype=False, rtol=1e-8)


def test_reconstructions_are_those_of_the_smallest_seed(tmp_path):
    runs = [a_run(seed, split=split) for split in ("dense", "sparse") for seed in (4, 2)]
    build(tmp_path, runs, [1, 2, 3, 4])
    pictures = read_npz(tmp_path / "reconstructions.npz")
    for split in ("dense", "sparse"):
        assert list(pictures[f"{split}/arch"]) == ["mlp-1"]
        assert list(pictures[f"{split}/beta"]) == [0.1]
        for name in ("reconstruction", "optimal"):
            assert pictures[f"{split}/{name}"].shape == (1, 2, 4, 4, 1)
            assert (pictures[f"{split}/{name}"] == 2).all()
        for name in ("input", "neighbour"):
            assert pictures[f"{split}/{name}"].shape == (2, 4, 4, 1)
        assert list(pictures[f"{split}/distance"]) == [0, 1]


def test_images_may_differ_in_size_between_splits(tmp_path):
    runs = [a_run(0), a_run(0, split="sparse")]
    folders = [write_run(tmp_path / str(k), runs[k - 1], 1.0, k=k, side=4 * k) for k in (1, 2)]
    write(tmp_path, runs, folders)
    pictures = read_npz(tmp_path / "reconstructions.npz")
    assert pictures["dense/reconstruction"].shape == (1, 1, 4, 4, 1)
    assert pictures["sparse/reconstruction"].shape == (1, 2, 8, 8, 1)


def test_the_table_of_neighbours_has_each_splits_quantiles(tmp_path):
    build(tmp_path, [a_run(0), a_run(0, split="sparse")], [1.0, 2])
    neighbours = read_parquet(tmp_path / "neighbours.parquet")
    shares = neighbours.set_index(["split", "share"])["distance"]
    assert shares["dense"][[0, 0.5, 0.9, 1]].tolist() == [0, 500, 900, 1000]
    assert shares["sparse", 0.5] == 1000


def refused(tmp_path, runs, change):
    """What is said of metrics after a change to one table of them; the file that was changed."""
    folders = [write_run(tmp_path / str(i), run, 1.0) for i, run in enumerate(runs)]
    path = folders[1] / "metrics.parquet"
    write_parquet(path, change(read_parquet(path)))
    with pytest.raises(RdpipeError) as error:
        write(tmp_path, runs, folders)
    assert not (tmp_path / "rd.parquet").exists()
    return str(error.value), str(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.assign(seed=4),
        lambda rows: rows.assign(beta=0.10001),
        lambda rows: rows.iloc[[1, 0]],
        lambda rows: rows[:1],
        lambda rows: pd.concat([rows, rows]),
    ],
    ids=["another seed", "another beta", "parts swapped", "one part", "too many rows"],
)
def test_metrics_of_another_run_are_refused_with_their_file(tmp_path, change):
    runs = [a_run(seed, beta) for beta in (0.1, 1.0) for seed in (0, 1)]
    told, path = refused(tmp_path, runs, change)
    assert told.startswith(f"{path} has rows of other runs or parts (")
    assert told.endswith("remove it and call snakemake again.")
    assert "[[0.1, 1, 'train'], [0.1, 1, 'test']]" in told  # what its place says


def test_metrics_in_another_order_than_their_runs_are_refused(tmp_path):
    runs = [a_run(seed) for seed in (0, 1)]
    folders = [write_run(tmp_path / str(i), run, 1.0) for i, run in enumerate(runs)]
    with pytest.raises(RdpipeError, match=r"/1/metrics\.parquet has rows of other runs"):
        write(tmp_path, runs, folders[::-1])


def noted(tmp_path, runs, rates, **options):
    """The tables of runs with these rates on the training part."""
    folders = []
    for i, (run, rate) in enumerate(zip(runs, rates, strict=True)):
        folders.append(write_run(tmp_path / str(i), run, 10.0, **options))
        path = folders[-1] / "metrics.parquet"
        write_parquet(path, read_parquet(path).assign(rate=[rate, rate]))
    return write(tmp_path, runs, folders)


def test_a_group_says_how_many_of_its_seeds_are_missing(tmp_path):
    runs = [a_run(0), a_run(1), a_run(2)]
    status = ["finished", "diverged", "finished"]
    folders = [write_run(tmp_path / str(i), runs[i], 1.0, status=status[i]) for i in range(3)]
    _, summary = write(tmp_path, runs, folders)
    assert set(summary["n"]) == {2} and set(summary["n_seeds"]) == {3}
    assert set(summary["note"]) == {"1 of 3 diverged"}


@pytest.mark.parametrize(
    ("rates", "learned"),
    [
        # by ascending β of one seed
        ([30.0, 9.0, 0.001], [True, True, True]),  # a large β brings the rate of any run to 0
        ([0.001, 0.002, 0.001], [False, False, False]),  # no β explains this
        ([0.001, 9.0, 0.001], [False, True, True]),  # a larger β did learn
        ([30.0, 0.001, 0.02], [True, True, True]),  # hardly more than nothing
        ([0.001], [True]),  # one β says nothing
    ],
)
def test_a_run_that_stopped_learning_is_marked_and_counted(tmp_path, rates, learned):
    runs = [a_run(0, beta) for beta in (0.1, 1.0, 5.0)[: len(rates)]]
    rd, summary = noted(tmp_path, runs, rates)
    assert rd["learned"].tolist() == [one for one in learned for _ in range(2)]
    assert summary["n_idle"].tolist() == [1 - one for one in learned for _ in range(2)]
    notes = ["" if one else "1 of 1 stopped learning" for one in learned for _ in range(2)]
    assert summary["note"].tolist() == notes


def test_the_mean_over_a_run_that_stopped_learning_is_as_before(tmp_path):
    runs = [a_run(seed, beta) for seed in (0, 1) for beta in (0.1, 1.0)]
    _, summary = noted(tmp_path, runs, [30.0, 9.0, 0.0, 0.0])
    assert summary["rate_mean"].tolist() == [15.0, 15.0, 4.5, 4.5]
    assert set(summary["note"]) == {"1 of 2 stopped learning"}


def test_seeds_of_different_devices_are_said(tmp_path):
    runs = [a_run(0), a_run(1)]
    folders = [write_run(tmp_path / str(i), run, 1.0) for i, run in enumerate(runs)]
    _, summary = write(tmp_path, runs, folders, made_with=["one GPU, torch 2", "x86_64, torch 2"])
    assert set(summary["made_with"]) == {"one GPU, torch 2; x86_64, torch 2"}
    assert set(summary["note"]) == {"made with different devices or releases"}


def diagnostic(folder, runs, name, columns):
    """One measure of each run: its metrics.parquet, with a value that tells the run."""
    paths = []
    for i, run in enumerate(runs):
        axes = {"beta": [run["beta"]] * 2, "seed": [run["seed"]] * 2, "part": ["train", "test"]}
        values = {column: [float(i), i + 0.5] for column in columns}
        paths.append(folder / f"{name}-{i}.parquet")
        write_parquet(paths[-1], pd.DataFrame(axes | values))
    return paths


def test_diagnostics_are_columns_after_the_metrics_and_change_nothing_else(tmp_path):
    runs = [a_run(seed, beta) for beta in (0.1, 1.0) for seed in (0, 1)]
    plain, _ = build(tmp_path, runs, [10.0, 20, 30, 40])
    folders = [tmp_path / str(i) for i in range(len(runs))]
    one, two = diagnostic(tmp_path, runs, "one", ["a", "b"]), diagnostic(tmp_path, runs, "two", "c")
    asked = {"measures": ["one", "two"], "diagnostics": [*one, *two]}
    rd, summary = write(tmp_path, runs, folders, **asked)
    assert [*rd.columns[-5:]] == ["a", "b", "c", "made_with", "learned"]
    assert rd.drop(columns=["a", "b", "c"]).equals(plain)
    assert [*rd["c"]] == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
    train = summary.query("beta == 0.1 and part == 'train'").iloc[0]
    assert (train["a_mean"], train["c_mean"]) == (0.5, 0.5)


def test_a_hundred_columns_of_diagnostics_bring_no_warning(tmp_path):
    runs = [a_run(0), a_run(1)]
    folders = [write_run(tmp_path / str(i), run, 80.0) for i, run in enumerate(runs)]
    measured = diagnostic(tmp_path, runs, "many", [f"column_{i}" for i in range(100)])
    _, summary = write(tmp_path, runs, folders, measures=["many"], diagnostics=measured)
    assert [*summary["column_99_mean"]] == [0.5, 1.0]


def test_a_diagnostic_of_other_runs_or_with_a_known_name_is_refused(tmp_path):
    runs = [a_run(0), a_run(1)]
    build(tmp_path, runs, [10.0, 20])
    folders = [tmp_path / str(i) for i in range(2)]
    one = diagnostic(tmp_path, runs, "one", ["a"])
    with pytest.raises(RdpipeError, match="rows of other runs"):
        write(tmp_path, runs, folders, measures=["one"], diagnostics=one[::-1])
    twice = diagnostic(tmp_path, runs, "twice", ["rate"])
    with pytest.raises(RdpipeError, match=r"diagnostic twice measures \['rate'\]"):
        write(tmp_path, runs, folders, measures=["twice"], diagnostics=twice)
