"""Intervals over seeds: how often they miss, and what they say can be decided."""

import itertools
import math

import numpy as np
import pytest

from rdpipe.claims.intervals import Interval, difference, largest

STUDIES = 1500


def test_one_effect_has_students_interval():
    effects = np.array([1.0, 2, 3, 4, 5])[:, None]
    interval = largest(effects)
    half = 2.7764 * math.sqrt(2.5 / 5)  # the 97.5 % point of Student's t with 4 degrees of freedom
    assert interval.n == 5
    assert (interval.low, interval.effect, interval.high) == pytest.approx(
        (3 - half, 3, 3 + half), abs=1e-4
    )
    assert interval.deviation == pytest.approx(math.sqrt(2.5))


def test_where_the_largest_is_chosen_the_lower_end_lies_half_as_far_again():
    """With five seeds: √(1/5 + 1/4) is 1.5 times √(1/5). The upper end needs no correction."""
    clear = np.array([1.0, 2, 3, 4, 5])
    alone, chosen = largest(clear[:, None]), largest(np.stack([clear, clear - 50], axis=1))
    assert chosen.effect == alone.effect
    assert chosen.effect - chosen.low == pytest.approx(1.5 * (alone.effect - alone.low))
    assert chosen.high == pytest.approx(alone.high)


def test_a_seed_without_all_effects_is_left_out():
    effects = np.random.default_rng(0).normal(size=(6, 3))
    lacking = effects.copy()
    lacking[2, 1] = math.nan
    assert largest(lacking) == largest(np.delete(effects, 2, 0))
    assert largest(lacking).n == 5
    assert largest(np.full((4, 3), math.nan)).n == 0


CANDIDATES = {
    "a mean": lambda noise: noise[:, :1],
    "a size": lambda noise: np.hstack([noise[:, :1], -noise[:, :1]]),
    "above the minimum": lambda noise: noise[:, :1] - noise,
    "all pairs": lambda noise: np.stack(
        [noise[:, i] - noise[:, j] for i, j in itertools.combinations(range(12), 2)], 1
    ),
    "one of twelve": lambda noise: noise + np.eye(12)[3],
}


@pytest.mark.parametrize("kind", CANDIDATES)
def test_an_end_of_an_interval_misses_the_largest_effect_in_about_2_5_percent(kind):
    make = CANDIDATES[kind]
    truth = make(np.zeros((1, 12))).max()
    random = np.random.default_rng(0)
    intervals = [largest(make(random.normal(size=(5, 12)))) for _ in range(STUDIES)]
    too_high = np.mean([interval.low > truth for interval in intervals])
    too_low = np.mean([interval.high < truth for interval in intervals])
    # 2.5 % and three standard errors of 1,500 draws; where all is equal, choosing costs most
    assert max(too_high, too_low) < 0.037
    if kind == "a mean":
        assert min(too_high, too_low) > 0.013
    assert all(i.low <= i.effect <= i.high for i in intervals)


def test_a_difference_of_largest_effects_is_covered_too():
    random = np.random.default_rng(0)
    noise = random.normal(size=(STUDIES, 2, 5, 12))
    intervals = [difference(*(CANDIDATES["above the minimum"](x) for x in pair)) for pair in noise]
    assert np.mean([interval.low > 0 for interval in intervals]) < 0.037
    assert np.mean([interval.high < 0 for interval in intervals]) < 0.037


def test_a_difference_of_clear_largest_effects_is_theirs():
    first, second = np.tile([0.0, 7.0], (4, 1)), np.tile([1.0, 4.0, 2.0], (4, 1))
    interval = difference(first, second)
    assert (interval.low, interval.effect, interval.high, interval.n) == (3, 3, 3, 4)
    assert interval.decidable("above", 5) == 0
    first[0, 0] = math.nan
    assert difference(first, second).n == 3


def _share_decided(make, beyond, claimed, seeds=5, deviation=1.5):
    """The share of studies whose interval lies on the claimed side, of a true effect so far off."""
    random = np.random.default_rng(1)
    sign = 1 if claimed == "above" else -1
    decided = 0
    for _ in range(STUDIES):
        interval = largest(make(deviation * random.normal(size=(seeds, 12))) + sign * beyond)
        decided += interval.low > 0 if claimed == "above" else interval.high < 0
    return decided / STUDIES


def _told(make, claimed):
    """What is called decidable, in the mean of many studies: one knows its deviation too badly."""
    random = np.random.default_rng(0)
    noise = 1.5 * random.normal(size=(300, 5, 12))
    return np.mean([largest(make(study)).decidable(claimed, 5) for study in noise])


@pytest.mark.parametrize(
    ("kind", "claimed"),
    [
        ("a mean", "above"),
        ("a mean", "below"),
        ("a difference", "above"),
        ("one clear of twelve", "above"),
    ],
)
def test_what_is_called_decidable_is_decided_in_80_percent_of_studies(kind, claimed):
    make = {
        "a mean": lambda noise: noise[:, :1],
        "a difference": lambda noise: noise[:, :1] - noise[:, 1:2],
        "one clear of twelve": lambda noise: noise - 50 * (np.arange(12) != 3),
    }[kind]
    assert _share_decided(make, _told(make, claimed), claimed) == pytest.approx(0.8, abs=0.08)


def test_more_is_decided_than_is_told_where_many_effects_are_level():
    decided = _share_decided(lambda noise: noise, _told(lambda noise: noise, "below"), "below")
    assert 0.8 < decided < 0.95


def test_more_seeds_decide_smaller_effects():
    interval = largest(np.array([1.0, 2, 3, 4, 5])[:, None])
    assert interval.decidable("above", 20) < interval.decidable("above", 5) / 2
    # scipy.stats.nct.sf(2.7764, 4, 3.761) is 0.8
    assert interval.decidable("above", 5) == pytest.approx(3.761 * math.sqrt(2.5 / 5), rel=1e-3)


@pytest.mark.parametrize("n", [0, 2])
def test_nothing_is_decidable_without_a_deviation(n):
    assert math.isnan(Interval(1.0, 1.0, 1.0, n).decidable("above", 5))
