"""Figure 3: training and test RD curves by split and architecture, with reconstructions."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rdpipe.figures import style
from rdpipe.figures.rd_plane import (
    Curve,
    annotate,
    draw_curves,
    legend_handles,
    numbers,
    panels,
    points,
    split_label,
)
from rdpipe.files import read_npz, read_parquet


@style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[str],
    archs: Sequence[str],
    arch_labels: Mapping[str, str],
) -> None:
    """Draw one panel a split (row) and architecture (column), below its reconstructions.

    Parameters
    ----------
    folder
        where fig3.pdf, .png and .csv (the points of all curves) go.
    inputs
        an experiment's `summary` (rd_summary.parquet), `runs` (rd.parquet) and `reconstructions`
        (reconstructions.npz).
    splits, archs
        rows from the top, columns from the left.
    arch_labels
        what the figure calls each architecture.
    """
    summary = read_parquet(inputs["summary"])
    runs = read_parquet(inputs["runs"])
    pictures = read_npz(inputs["reconstructions"])
    figure, grid = panels(len(splits), len(archs), above=0.42)
    drawn = {}
    for (i, split), (j, arch) in itertools.product(enumerate(splits), enumerate(archs)):
        axes = grid[i, j]
        curves = drawn[axes] = [
            Curve(points(summary, split, arch, "train"), "training", style.TRAIN, "--"),
            Curve(points(summary, split, arch, "test"), "test", style.TEST),
        ]
        draw_curves(axes, curves)
        of_panel = (pictures["split"] == split) & (pictures["arch"] == arch)
        strip = _show_reconstructions(
            axes,
            {name: array[of_panel] for name, array in pictures.items()},
            _diverged(runs, split, arch),
        )
        strip.set_title(f"{split_label(summary, split)}, {arch_labels[arch]}", pad=11)
    for axes, curves in drawn.items():
        annotate(axes, curves, betas_of=curves[1])
    figure.legend(handles=legend_handles(curves), loc="lower center", ncol=4)
    style.save(figure, folder, "fig3", numbers(drawn))


def _diverged(runs: pd.DataFrame, split: str, arch: str) -> set[float]:
    """Each β at which the run whose reconstructions are kept, that of the first seed, diverged."""
    first = runs[(runs["seed"] == runs["seed"].min()) & (runs["status"] == "diverged")]
    return set(first.loc[(first["split"] == split) & (first["arch"] == arch), "beta"])


def _show_reconstructions(
    axes: Axes, pictures: Mapping[str, np.ndarray], diverged: Collection[float]
) -> Axes:
    """Above a panel: a difficult test image, the nearest training image, reconstructions by β.

    A run that diverged leaves its place empty: its black is not a model's.
    """
    order = pictures["beta"].argsort()
    betas = pictures["beta"][order]
    shown = [
        ("input", pictures["input"][order[0], 0]),
        ("nearest", pictures["neighbour"][order[0], 0]),
        *zip([f"{beta:g}" for beta in betas], pictures["reconstruction"][order, 0], strict=True),
    ]
    strip = axes.inset_axes((-0.13, 1.03, 1.13, 0.17), anchor="S")
    strip.set_axis_off()
    for i, (label, image) in enumerate(shown):
        left = 1.08 * i + (0.0, 0.25)[i > 0] + (0.0, 1.0)[i > 1]
        if i < 2 or betas[i - 2] not in diverged:
            style.show_image(strip, image, left)
        strip.text(left + 0.5, 1.1, label, ha="center", va="bottom", fontsize=5.5)
        if i == 2:
            strip.text(left - 0.12, 1.1, r"$\beta =$", ha="right", va="bottom", fontsize=5.5)
    strip.set(xlim=(0, left + 1), ylim=(0, 1))
    return strip
