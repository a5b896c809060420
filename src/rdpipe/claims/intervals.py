"""Confidence intervals over seeds, and what they can decide.

Runs of one seed share their batches and noise, so they may depend on each other; runs of different
seeds do not. An effect is therefore first computed within each seed, whatever it compares (β,
architectures, parts, splits). The interval is Student's over these S independent numbers.
"""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from scipy.special import nctdtrinc, stdtrit

LEVEL = 0.95
MIN_SEEDS = 3  # two would do for a formula, but not to see a spread
POWER = 0.8  # the share of studies that should decide an effect


@dataclass(frozen=True)
class Interval:
    """An effect, its interval at LEVEL, its deviation over seeds, and the n seeds behind them.

    The interval and the deviation are NaN below MIN_SEEDS. A number without seeds, such as a
    distance between two splits, is its own interval with n = 0.
    """

    effect: float
    low: float
    high: float
    n: int
    deviation: float = nan

    def decidable(self, claimed: str, seeds: int) -> float:
        """How far beyond a margin a true effect must lie to be decided in POWER of studies.

        A part is decided if the end of the interval that faces the margin lies beyond it. The
        distance of that end from the effect is taken as a fixed multiple of Student's half width
        t s / √S, the multiple seen here: 1 for a mean, more where the largest of several effects
        is chosen, or where several are equally near the margin. The test statistic then has a
        noncentral t distribution, and its noncentrality at the wanted power is the answer in units
        of s / √S. This is an estimate: s is itself known from n seeds only, and a smaller distance
        suffices where many effects are level.

        Parameters
        ----------
        claimed
            "above" or "below": the side of the margin on which the effect should lie.
        seeds
            The number of seeds S of the study that is to decide, at the deviation seen here.

        Returns
        -------
        float
            In the unit of the effect, 0 or more; NaN below MIN_SEEDS.
        """
        if self.n < MIN_SEEDS or seeds < MIN_SEEDS:
            return nan
        if self.deviation == 0:
            return 0.0
        end = self.effect - self.low if claimed == "above" else self.high - self.effect
        students = float(stdtrit(self.n - 1, (1 + LEVEL) / 2)) * self.deviation / sqrt(self.n)
        critical = float(stdtrit(seeds - 1, (1 + LEVEL) / 2)) * max(end / students, 1.0)
        return float(nctdtrinc(seeds - 1, 1 - POWER, critical)) * self.deviation / sqrt(seeds)


def largest(effects: np.ndarray) -> Interval:
    """The largest of C mean effects; which one is the largest is unknown.

    With C = 1 this is Student's interval for a mean. With more, the largest sample mean would
    flatter the effect. The effect is therefore cross-fitted: each seed gives the effect that is
    largest in the mean of the *other* seeds. On average this does not exceed the true largest.
    These choices share seeds, so the S numbers depend on each other, and `low` has the variance
    that Nadeau and Bengio (2003) give for overlapping training sets: 1/S + 1/(S - 1) instead of
    1/S times that of one seed. `high` is the highest of the C pointwise upper limits. One of these
    belongs to the effect that is truly the largest, so their number needs no correction. Each end
    is meant to be missed with probability (1 - LEVEL) / 2 at most; the correction is a rule of
    thumb, and the tests say how well it does.

    Parameters
    ----------
    effects
        One row a seed, one column an effect, (S, C), C >= 1. A seed that lacks any is left out.
    """
    whole = effects[np.isfinite(effects).all(axis=1)]  # (S, C)
    n = len(whole)
    if n < MIN_SEEDS:
        return _too_few(whole.mean(axis=0).max() if n else nan, n)
    own = _cross_fitted(whole)
    below = _half_width(own, chosen=whole.shape[1] > 1)
    above = whole.mean(axis=0) + _half_width(whole, chosen=False)  # (C,)
    return Interval(own.mean(), own.mean() - below, above.max(), n, own.std(ddof=1))


def difference(first: np.ndarray, second: np.ndarray) -> Interval:
    """How much larger the largest of some effects is than the largest of others.

    Both are cross-fitted, and both ends have the variance of `largest`'s lower one. What choosing
    costs each of the two cancels only so far as it is equally hard in both.

    Parameters
    ----------
    first, second
        Effects of the same seeds, (S, C) and (S, C'), C and C' > 1.
    """
    kept = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    n = int(kept.sum())
    if n < MIN_SEEDS:
        return _too_few(nan, n)
    own = _cross_fitted(first[kept]) - _cross_fitted(second[kept])  # (S,)
    half = _half_width(own, chosen=True)
    return Interval(own.mean(), own.mean() - half, own.mean() + half, n, own.std(ddof=1))


def _too_few(effect: float, n: int) -> Interval:
    return Interval(effect, nan, nan, n)


def _cross_fitted(effects: np.ndarray) -> np.ndarray:
    """Of each seed, the effect that is largest in the mean of the others, (S, C) -> (S,)."""
    best = (effects.sum(axis=0) - effects).argmax(axis=1)
    return effects[np.arange(len(effects)), best]


def _half_width(effects: np.ndarray, chosen: bool) -> np.ndarray:
    """Of Student's interval for a mean over S seeds, wider if other seeds chose what is averaged.

    (S, ...) -> (...).
    """
    n = len(effects)
    variance = effects.var(axis=0, ddof=1) * (1 / n + (1 / (n - 1) if chosen else 0))
    return stdtrit(n - 1, (1 + LEVEL) / 2) * np.sqrt(variance)
