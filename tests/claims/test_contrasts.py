"""Contrasts of curves within each seed, and the parts that judge them."""

import math

import numpy as np
import pandas as pd
import pytest

from rdpipe.claims.contrasts import (
    Missing,
    Part,
    Tables,
    above,
    below,
    per_halving,
    rises,
    shown,
    smaller,
    steps,
    stretches,
    valley,
)
from rdpipe.claims.intervals import Interval
from tests.claims.worlds import tables

TWELVE = (0.001, 0.005, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 2.0, 3.0, 5.0)


def curve(*rows):
    """A curve of the seeds 0, 1, …, over the first β of the paper."""
    return pd.DataFrame(rows, columns=TWELVE[: len(rows[0])], dtype=float)


@pytest.mark.parametrize(
    ("low", "high", "claimed", "verdict"),
    [
        (1.1, 3, "above", "supported"),
        (1.1, 3, "below", "not supported"),
        (-3, 0.9, "above", "not supported"),
        (-3, 0.9, "below", "supported"),
        (0.9, 1.1, "above", "undetermined"),
        (1.0, 3, "above", "undetermined"),
        (math.nan, math.nan, "below", "undetermined"),
    ],
)
def test_the_side_of_the_margin_that_an_interval_lies_on_is_the_verdict(
    low, high, claimed, verdict
):
    assert Part("", Interval(1, low, high, 5), claimed, 1.0).verdict == verdict


def test_the_largest_effect_is_judged():
    effects = pd.DataFrame([[0.0, 7.0]] * 3)
    assert above(6, "", effects).verdict == "supported"
    assert below(6, "", effects).verdict == "not supported"
    assert below(6, "", effects[0]).verdict == "supported"


def test_a_part_that_is_shown_keeps_its_verdict_and_does_not_decide():
    part = below(6, "", pd.DataFrame([[7.0]] * 3))
    assert part.decides
    assert not shown(part).decides
    assert shown(part).verdict == part.verdict == "not supported"


def test_a_curve_that_falls_with_beta_has_no_rise():
    falling = curve([1, 2, 4, 8], [0, 3, 5, 6])
    assert (rises(falling) < 0).all(axis=None)
    assert rises(curve([4, 1, 5, 2])).max(axis=1).tolist() == [3]  # from 1 up to 4


def test_a_slow_rise_counts_in_full():
    assert rises(curve([3, 2, 1, 0])).max(axis=1).tolist() == [3]
    with pytest.raises(Missing, match="no second β"):
        rises(curve([3]))


def test_a_curve_that_only_rises_or_only_falls_has_no_minimum():
    for slope in (-10, 10):
        line = curve(*([slope * i + seed for i in range(4)] for seed in (0, 1, 2)))
        assert (valley(line) < 0).all(axis=None)
    line[0.005] -= 30
    assert valley(line).max(axis=1).tolist() == [20, 20, 20]


def test_level_ends_do_not_make_a_minimum_shallower():
    seeds = 1000
    noise = np.random.default_rng(0).normal(size=(seeds, 3))
    depth = valley(curve(*(noise + np.array([9, 0, 9])))).mean().item()
    assert depth == pytest.approx(9, abs=0.2)  # 4 standard errors; each seed's lower end: 0.56 less


def test_a_stretch_is_a_quarter_of_the_grid():
    long = curve(range(12))
    assert stretches(long).to_numpy().tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]
    short = curve([5, 1, 7])
    pd.testing.assert_frame_equal(stretches(short), short)


def test_a_missing_run_is_missing_in_all_its_stretches():
    gappy = curve([0, 1, 2, math.nan, *range(4, 12)])
    assert stretches(gappy).isna().sum(axis=1).tolist() == [3]


def test_steps_lead_from_a_stretch_to_the_next_that_does_not_overlap():
    assert steps(curve([1, 3, 7])).to_numpy().tolist() == [[2, 4]]
    assert steps(curve(range(12))).to_numpy().tolist() == [[3] * 7]
    with pytest.raises(Missing, match="too few β"):
        steps(curve([1]))


def test_two_splits_of_one_size_both_count_in_a_trend():
    one, other, half = (pd.Series([value]) for value in (0.0, 10.0, 25.0))
    trend = per_halving([(4096, one), (4096, other), (2048, half)])
    assert trend.tolist() == pytest.approx([20])


def test_a_trend_takes_two_sizes():
    with pytest.raises(Missing, match="two sizes"):
        per_halving([(4096, pd.Series([1.0])), (4096, pd.Series([2.0]))])


def test_a_part_of_the_grid_that_is_empty_is_missing():
    with pytest.raises(Missing, match=r"no β below 0\.001"):
        smaller(curve([1, 2, 3]), 0.001)


def test_a_curve_is_that_of_one_split_architecture_and_part():
    some = tables(["default", "cv-16k"], ["mlp-1", "mlp-3"], noise=0)
    found = Tables(some["runs"], some["neighbours"])
    test, train = (found.curve("cv-16k", "mlp-1", "distortion", part) for part in ("test", "train"))
    assert test.index.tolist() == [0, 1, 2, 3, 4]
    assert test.columns.tolist() == sorted(test.columns)
    # the world adds 2 nats to the test part of the sparse split, and up to 12 at small β
    assert (test - train).iloc[0].tolist() == pytest.approx([14, 8, 2, 2, 2, 2, 2])
    assert found.gap("cv-16k", "mlp-1").iloc[0].tolist() == pytest.approx([14, 8, 2, 2, 2, 2, 2])
    with pytest.raises(Missing, match="no runs of cnn-1 on cv-16k"):
        found.curve("cv-16k", "cnn-1", "distortion")
