"""The optimal decoder of infinite capacity, which memorises, and how near it a decoder is."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rdpipe.common.files import read_parquet
from rdpipe.figures import _over_beta, _strips, _style
from rdpipe.figures._labels import split_labels
from rdpipe.figures._points import points

BELOW = 0.6  # inches: how far the two decoders are apart


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel a split (row) and architecture (column), below both decoders' images.

    For given encodings the optimal decoder returns a weighted mean of training images (Section 2).
    The panel shows the perplexity of the weights, over how many images that mean is, and the strip
    below it the mean squared error between the optimal decoder's images and the model's.

    Parameters
    ----------
    folder
        Where optimal_decoder.pdf, .png and .csv (the numbers shown) go.
    inputs
        An experiment's `summary` (rd_summary.parquet), `runs` (rd.parquet) and `reconstructions`
        (reconstructions.npz).
    splits, archs
        Rows from the top; columns from the left (see `rdpipe.figures`).
    """
    summary = read_parquet(inputs["summary"])
    labels = split_labels(summary, splits)
    kinds = {"reconstruction": "reconstructions", "optimal": "optimal\ndecoder"}
    strips = _strips.strips(inputs, [*labels], len(archs), kinds)
    figure, grid = _style.panels(
        len(splits),
        len(archs),
        legend=[
            *(_style.line(part, **look, **_style.DOT) for part, look in _style.PARTS.items()),
            _style.line(r"$N_\mathrm{train}$", **_style.REFERENCE),
        ],
        xlabel=r"$\beta$",
        ylabel="perplexity of weights",
        above=strips.above,
        below=BELOW,
    )
    plotted = []
    for axes, (split, arch) in zip(grid.flat, itertools.product(labels, archs), strict=True):
        gap = _style.strip_below(axes, BELOW, "MSE")
        for part, look in _style.PARTS.items():
            metrics = ["weight_perplexity", "optimal_gap"]
            shown = points(summary, split, arch["name"], part, metrics)
            _over_beta.plot(axes, shown, "weight_perplexity", **look)
            _over_beta.plot(gap, shown, "optimal_gap", **look)
            plotted.append(shown)
        axes.axhline(summary.loc[summary["split"] == split, "n_train"].max(), **_style.REFERENCE)
        axes.set_yscale("log")
        _over_beta.scale(gap, summary["beta"])
        _style.title(axes, f"{labels[split]}, {arch['label']}", strips.above)
        _strips.show(strips, axes, split, arch["name"])
    _style.save(figure, folder, "optimal_decoder", pd.concat(plotted))
