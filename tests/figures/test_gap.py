"""The stacked bars of the gap and of the rate."""

import itertools

import pandas as pd
import pytest

from rdpipe import figures
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_parquet, write_parquet
from tests.figures.page import titled
from tests.figures.synthetic import ARCHS, CV_16K, experiment, synthetic_table

# by part: D above the entropy, and what fitted posteriors take off D, by seed
DISTORTION = {"train": (10.0, 12.0), "test": (19.0, 25.0)}
INFERENCE = {"train": (1.0, 1.0), "test": (4.0, 7.0)}


def with_runs(folder, status=("finished", "finished")):
    """An experiment of one split and architecture with two seeds at two β."""
    of_one = {"splits": CV_16K, "archs": ARCHS[:1]}
    table = synthetic_table((0.1, 1.0), **of_one)
    table = table.assign(inference_gap_distortion_mean=1.0, inference_gap_distortion_std=0.0)
    paths, facts = experiment(folder, table, **of_one)
    rows = [
        {"split": "cv-16k", "arch": ARCHS[0]["name"], "beta": beta, "seed": seed, "part": part}
        | {"iteration": 257_000, "status": status[seed]}
        | {"excess_distortion": DISTORTION[part][seed]}
        | {"inference_gap_distortion": INFERENCE[part][seed]}
        | {"inference_gap_distortion_se": {"train": 0.3, "test": 0.4}[part]}
        for beta, seed, part in itertools.product((1.0, 0.1), (0, 1), ("train", "test"))
    ]
    write_parquet(paths["runs"], pd.DataFrame(rows))
    return paths, facts


def test_the_gap_is_divided_within_each_seed(tmp_path):
    figures.draw("rdpipe.figures.gap", tmp_path, *with_runs(tmp_path))
    shown = pd.read_csv(tmp_path / "gap.csv").set_index("beta")
    assert [*shown.index] == [0.1, 1.0]
    row = shown.loc[0.1]
    assert (row["n"], row["gap_mean"], row["inference_mean"]) == (2, 11, 4.5)
    assert row["decoder_mean"] == 6.5
    assert row["decoder_std"] == pytest.approx(0.5**0.5)
    assert row["inference_se"] == pytest.approx(0.5)


def test_a_seed_that_diverged_is_left_out(tmp_path):
    figures.draw("rdpipe.figures.gap", tmp_path, *with_runs(tmp_path, ("finished", "diverged")))
    shown = pd.read_csv(tmp_path / "gap.csv")
    assert [*shown["n"]] == [1, 1]
    assert [*shown["gap_mean"]] == [9, 9]


@pytest.mark.parametrize("name", ["gap", "rate_terms"])
def test_an_experiment_without_the_measure_is_told_how_to_get_it(name, tmp_path):
    paths, facts = experiment(tmp_path, synthetic_table((0.1, 1.0), splits=CV_16K), CV_16K)
    summary = read_parquet(paths["summary"])
    lacking = [column for column in summary if column.startswith("mixture")]
    write_parquet(paths["summary"], summary.drop(columns=lacking))
    with pytest.raises(RdpipeError, match=r"give the experiment `diagnostics: \["):
        figures.draw(f"rdpipe.figures.{name}", tmp_path, paths, facts)


def test_bars_of_the_rate_add_up_to_it(sketch):
    figure, shown = sketch("rate_terms", splits=CV_16K)
    total = shown["mutual_information_mean"] + shown["marginal_kl_mean"]
    bars = figure.axes[0].containers
    tops = [max(bar.get_y() + bar.get_height() for bar in at) for at in zip(*bars[:3], strict=True)]
    assert tops == pytest.approx([*total[: len(tops)]])


@pytest.mark.parametrize("lacking", [0.01, 5.0])
def test_a_bar_stands_at_its_own_beta_where_a_panel_lacks_one(lacking, sketch):
    table = synthetic_table((0.01, 0.1, 5.0), splits=CV_16K, archs=ARCHS[:2])
    gone = (table["arch"] == ARCHS[0]["name"]) & (table["beta"] == lacking)
    figure, _ = sketch("rate_terms", table[~gone], splits=CV_16K, archs=ARCHS[:2])
    first, second = (titled(figure)[title] for title in [*titled(figure)])
    for axes, betas in (first, {0.01, 0.1, 5.0} - {lacking}), (second, {0.01, 0.1, 5.0}):
        labels = dict(zip(axes.get_xticks(), axes.get_xticklabels(), strict=True))
        bars = [bar.get_x() + bar.get_width() / 2 for bar in axes.containers[0]]
        assert {float(labels[round(x)].get_text()) for x in bars} == betas
