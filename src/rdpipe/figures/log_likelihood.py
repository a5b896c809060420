"""log p(x) by importance sampling, against β, beside its bound, the ELBO (Section 4.4).

Each panel shows one split and one architecture: mean and standard deviation over seeds, in nats.
The full line is the estimate with the most importance samples K, faint lines are those with fewer,
and the dotted line is the ELBO of the same images, which is a lower bound. The lower strip shows
the effective sample size as a share of K. Where this share is small, the estimate is only a bound
itself.
"""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _over_beta, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch, Split

BELOW = 0.5  # inches: the effective sample size
ELBO = "log_likelihood_elbo"  # of the very images whose log p(x) is estimated


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each split (row) and architecture (column): mean and deviation in nats.

    The estimate with most samples K is drawn full, the others faint. Below it stands its effective
    sample size as a share of K: where the share is small, the estimate is only a bound itself.
    Refuses an experiment whose runs have no estimate.
    """
    samples = _samples(experiment.summary)
    splits, archs = experiment.splits, experiment.archs
    page: dict[str, Any] = {"xlabel": r"$\beta$", "ylabel": "nats", "below": BELOW}
    figure, grid = _style.panels(len(splits), len(archs), legend=_legend(samples), **page)
    plotted = []
    for axes, (split, arch) in zip(grid.flat, itertools.product(splits, archs), strict=True):
        effective = _style.strip_below(axes, BELOW, "ESS/$K$")
        for part in _style.PARTS:
            shown = _shown(experiment, split, arch, part, samples)
            _draw(axes, effective, shown, part, samples)
            plotted.append(shown)
        _over_beta.scale(effective, experiment.summary["beta"])
        effective.set_ylim(0, 1.05)
        _style.title(axes, f"{split.label}, {arch.label}")
    return _style.save(figure, folder, "log_likelihood", pd.concat(plotted))


def _samples(summary: pd.DataFrame) -> list[int]:
    """The numbers of samples K of the estimates, ascending."""
    found = [re.fullmatch(r"log_likelihood_(\d+)_mean", str(column)) for column in summary]
    samples = sorted(int(match[1]) for match in found if match)
    estimates = summary[[f"log_likelihood_{k}_mean" for k in samples]]
    if not samples or (summary["n"].any() and estimates.isna().all(axis=None)):
        raise RdpipeError(
            "its experiment's runs have no estimate of log p(x); "
            "give evaluation.likelihood_samples numbers of samples."
        )
    return samples


def _shown(
    experiment: Experiment, split: Split, arch: Arch, part: str, samples: Sequence[int]
) -> pd.DataFrame:
    """The points of a curve; the effective sample size of the largest K as a share of K."""
    largest = f"log_likelihood_{samples[-1]}_ess"
    metrics = [f"log_likelihood_{k}" for k in samples]
    shown = experiment.points(split, arch, part, [ELBO, *metrics, largest])
    for moment in ("mean", "std"):
        shown[f"effective_share_{moment}"] = shown.pop(f"{largest}_{moment}") / samples[-1]
    return shown


def _draw(
    axes: Axes, effective: Axes, shown: pd.DataFrame, part: str, samples: Sequence[int]
) -> None:
    look = _style.PARTS[part]
    for k in samples[:-1]:
        _over_beta.plot(axes, shown, f"log_likelihood_{k}", **look, **_style.FAINT, **_style.BARE)
    _over_beta.plot(axes, shown, f"log_likelihood_{samples[-1]}", **look)
    _over_beta.plot(axes, shown, ELBO, color=look["color"], linestyle=":", **_style.BARE)
    _over_beta.plot(effective, shown, "effective_share", **look)


def _legend(samples: Sequence[int]) -> list[Line2D]:
    *fewer, largest = samples
    handles = [
        _style.line(rf"$\log p(\mathbf{{x}})$, $K = {largest}$, {part}", **look, **_style.DOT)
        for part, look in _style.PARTS.items()
    ]
    if fewer:
        label = f"$K = {', '.join(map(str, fewer))}$"
        handles.append(_style.line(label, "black", **_style.FAINT))
    return [*handles, _style.line("ELBO", "black", ":")]
