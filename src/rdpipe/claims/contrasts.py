"""What claims are made of: contrasts of RD curves within each seed, and parts that judge them.

A curve is a frame (S, B): a row is a seed, a column is a β, ascending. A contrast of curves is one
number a seed, (S,), or one for each of C comparisons, (S, C).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from rdpipe.claims.intervals import Interval, difference, largest


class Missing(Exception):
    """The tables lack something that a claim needs; the claim is undetermined."""


@dataclass(frozen=True)
class Part:
    """One testable part of a claim: `interval` lies above the margin, or below it.

    A part that does not decide is shown beside the others; the claim's verdict leaves it out.
    """

    name: str
    interval: Interval
    claimed: str  # "above" or "below"
    margin: float
    unit: str = "nats"
    decides: bool = True

    @property
    def verdict(self) -> str:
        """By its interval; an interval of NaN, from too few seeds, leaves it undetermined."""
        above, below = self.interval.low > self.margin, self.interval.high < self.margin
        if not (above or below):
            return "undetermined"
        return "supported" if above == (self.claimed == "above") else "not supported"


def above(margin: float, name: str, effects: pd.Series | pd.DataFrame, unit: str = "nats") -> Part:
    """The part that the largest of the effects, (S,) or (S, C), exceeds the margin."""
    return Part(name, _largest(effects), "above", margin, unit)


def below(margin: float, name: str, effects: pd.Series | pd.DataFrame, unit: str = "nats") -> Part:
    """The part that all effects, (S,) or (S, C), even the largest, stay below the margin."""
    return Part(name, _largest(effects), "below", margin, unit)


def higher(margin: float, name: str, one: pd.DataFrame, other: pd.DataFrame) -> Part:
    """The part that the highest point of one curve lies above that of another, (S, B) each."""
    first, second = (frame.to_numpy() for frame in one.align(other, axis=0))
    return Part(name, difference(first, second), "above", margin)


def deeper(margin: float, name: str, one: pd.DataFrame, other: pd.DataFrame) -> Part:
    """The part that one curve has a deeper minimum inside the grid than another; 0 is none."""
    return higher(margin, name, *(valley(curve).clip(lower=0) for curve in (one, other)))


def shown(part: Part) -> Part:
    """The part, shown without deciding the claim."""
    return replace(part, decides=False)


def _largest(effects: pd.Series | pd.DataFrame) -> Interval:
    return largest(effects.to_numpy(float).reshape(len(effects), -1))


@dataclass(frozen=True)
class Tables:
    """One experiment's `runs` (rd.parquet) and `neighbours` (neighbours.parquet)."""

    runs: pd.DataFrame
    neighbours: pd.DataFrame

    def iterations(self) -> list[int]:
        """The lengths of training that were evaluated, ascending."""
        return sorted({int(length) for length in self.runs["iteration"]})

    def curve(
        self, split: str, arch: str, metric: str, part: str = "test", iteration: int | None = None
    ) -> pd.DataFrame:
        """A metric of the finished runs: a row a seed, a column a β, ascending, (S, B).

        Of checkpoints, it is that of one iteration, else of the end of training.
        """
        lengths = self.runs["iteration"]
        runs = self.runs[lengths == (iteration or lengths.max())]
        chosen = runs[(runs["split"] == split) & (runs["arch"] == arch) & (runs["part"] == part)]
        if chosen.empty:
            raise Missing(f"no runs of {arch} on {split}")
        if metric not in chosen:
            raise Missing(f"{metric} was not measured")
        finished = chosen["status"] == "finished"
        if not np.isfinite(chosen.loc[finished, metric]).all():
            raise Missing(f"{metric} on {part} is not a number for all finished runs of {arch}")
        values = chosen.assign(value=chosen[metric].where(finished))
        return values.pivot_table("value", "seed", "beta", "first", dropna=False)

    def gap(self, split: str, arch: str) -> pd.DataFrame:
        """Generalisation gap in D, test minus train, each above its images' entropy, (S, B)."""
        test, train = (
            self.curve(split, arch, "excess_distortion", part) for part in ("test", "train")
        )
        return test - train

    def n_train(self, split: str) -> int:
        """Training examples of a split."""
        return int(self._of_split(split, "n_train"))

    def kind(self, split: str) -> str:
        """Kind of a split: cv, cd or checkerboard."""
        return str(self._of_split(split, "split_kind"))

    def _of_split(self, split: str, column: str) -> Any:
        found = self.runs.loc[self.runs["split"] == split, column]
        if found.empty:
            raise Missing(f"no runs on {split}")
        return found.iloc[0]

    def neighbour_distances(self, split: str) -> np.ndarray:
        """Quantiles of the distance of test images to their nearest training image, (Q,)."""
        table = self.neighbours
        distances = table[table["split"] == split].sort_values("share")["distance"].to_numpy()
        if not (len(distances) and np.isfinite(distances).all()):
            raise Missing(f"no distances to nearest neighbours on {split}")
        return distances


def at(curve: pd.DataFrame, beta: float) -> pd.Series:
    """The curve at one β, (S,)."""
    if beta not in curve:
        raise Missing(f"β = {beta:g} is not in the grid")
    return curve[beta]


def smaller(curve: pd.DataFrame, beta: float) -> pd.DataFrame:
    """The curve below a β."""
    return _some(curve.loc[:, curve.columns.to_numpy(float) < beta], f"no β below {beta:g}")


def larger(curve: pd.DataFrame, beta: float) -> pd.DataFrame:
    """The curve above a β."""
    return _some(curve.loc[:, curve.columns.to_numpy(float) > beta], f"no β above {beta:g}")


def _some(curve: pd.DataFrame, complaint: str) -> pd.DataFrame:
    if curve.columns.empty:
        raise Missing(f"{complaint} in the grid")
    return curve


def ends(curve: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The curve at the smallest and at the largest β, of a grid that has room for a minimum."""
    if curve.shape[1] < 3:
        raise Missing("a minimum inside the grid takes three β or more")
    return curve.iloc[:, 0], curve.iloc[:, -1]


def rises(curve: pd.DataFrame) -> pd.DataFrame:
    """What the curve gains from each β to each smaller one: all pairs, so that a slow rise counts.

    (S, B) -> (S, B (B - 1) / 2). A curve that falls monotonically as β falls has none above 0.
    """
    _some(curve.iloc[:, 1:], "no second β")
    small, large = np.triu_indices(curve.shape[1], 1)
    values = curve.to_numpy()
    return pd.DataFrame(values[:, small] - values[:, large], curve.index)


def above_minimum(end: pd.Series, curve: pd.DataFrame) -> pd.DataFrame:
    """How far an end of the curve lies above it at each β; the largest is above its minimum."""
    return curve.rsub(end, axis=0)


def valley(curve: pd.DataFrame) -> pd.DataFrame:
    """How far each β inside the grid lies below the lower end of the curve, (S, B - 2).

    The largest is the depth of a minimum inside; a curve that only falls or only rises has none
    above 0. The lower end is the lower one in the mean over seeds. The lower one of each seed would
    be too low on average where the ends are nearly level, and the depth too small.
    """
    lower = min(ends(curve), key=lambda end: end.mean())
    return above_minimum(lower, curve.iloc[:, 1:-1])


def stretches(curve: pd.DataFrame) -> pd.DataFrame:
    """Means over neighbouring β, a quarter of the grid at a time, (S, B) -> (S, B - W + 1).

    W is B / 4 rounded down, 1 at least: 3 of the paper's 12 β. A difference between two curves
    lasts over neighbouring β, so the mean loses little of it and a third of its variance is left
    where seeds scatter independently. A turn of one curve does not last: its minimum is not to be
    looked for in means.
    """
    width = _width(curve)
    means = np.lib.stride_tricks.sliding_window_view(curve.to_numpy(), width, axis=1).mean(axis=2)
    return pd.DataFrame(means, curve.index, curve.columns[: means.shape[1]])


def steps(curve: pd.DataFrame) -> pd.DataFrame:
    """What the curve gains from each stretch to the next larger one that does not overlap it."""
    means, width = stretches(curve), _width(curve)
    return _some(means.diff(width, axis=1).iloc[:, width:], "too few β for a step")


def _width(curve: pd.DataFrame) -> int:
    return max(1, curve.shape[1] // 4)


def both_signs(difference: pd.DataFrame) -> pd.DataFrame:
    """A difference and its opposite, the larger of which is its size."""
    return pd.concat([difference, -difference], axis=1)


def per_halving(points: Sequence[tuple[int, pd.Series]]) -> pd.Series:
    """Least-squares slope of values (S,) at N_train on -log2 N_train: per halving of N, (S,)."""
    sizes = [n for n, _ in points]
    if len({*sizes}) < 2:
        raise Missing("a trend over N takes two sizes of each kind of split or more")
    x = -np.log2(sizes)
    weights = (x - x.mean()) / np.square(x - x.mean()).sum()
    return sum(w * value for w, (_, value) in zip(weights, points, strict=True))
