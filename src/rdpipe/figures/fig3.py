"""Figure 3: training and test RD curves by split and architecture, with reconstructions."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rdpipe.figures import _style
from rdpipe.figures._labels import split_label
from rdpipe.figures._rd_plane import (
    Curve,
    annotate,
    curve_handles,
    draw_curves,
    mark_handles,
    numbers,
    panels,
    points,
)
from rdpipe.files import read_npz, read_parquet

LARGEST = 0.42  # inches: an image, if there are few
GAP = 0.05  # between two images, in widths of an image
BREAKS = (0.0, 0.15, 0.5)  # in all, before the input, its neighbour, the reconstructions
LABELS = 0.26  # inches above the images


@_style.paper
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
        Where fig3.pdf, .png and .csv (the points of all curves) go.
    inputs
        An experiment's `summary` (rd_summary.parquet), `runs` (rd.parquet) and `reconstructions`
        (reconstructions.npz).
    splits, archs
        Rows from the top; columns from the left.
    arch_labels
        What the figure calls each architecture.
    """
    summary = read_parquet(inputs["summary"])
    runs = read_parquet(inputs["runs"])
    pictures = read_npz(inputs["reconstructions"])
    # A strip of images reaches from the frame's right side to the left over the y axis.
    breadth = _style.panel_width(len(archs)) + 0.8 * _style.LEFT
    size = min(LARGEST, breadth / _left_of(2 + len(np.unique(pictures["beta"]))))
    above = size + LABELS
    figure, grid = panels(len(splits), len(archs), above=above)
    drawn = {}
    for (i, split), (j, arch) in itertools.product(enumerate(splits), enumerate(archs)):
        axes = grid[i, j]
        curves = drawn[axes] = [
            Curve(points(summary, split, arch, "train"), "training", _style.TRAIN, "--"),
            Curve(points(summary, split, arch, "test"), "test", _style.TEST),
        ]
        draw_curves(axes, curves)
        axes.set_title(f"{split_label(summary, split)}, {arch_labels[arch]}", pad=6 + 72 * above)
        of_panel = (pictures["split"] == split) & (pictures["arch"] == arch)
        inches = axes.bbox.transformed(figure.dpi_scale_trans.inverted())
        _show_reconstructions(
            _style.place(figure, inches.x1 - breadth, inches.y1 + 0.06, breadth, size),
            {name: array[of_panel] for name, array in pictures.items()},
            _diverged(runs, split, arch),
        )
    for axes, curves in drawn.items():
        annotate(axes, curves, betas_of=curves[1])
    figure.legend(handles=curve_handles(curves) + mark_handles(), loc="lower center", ncol=4)
    _style.save(figure, folder, "fig3", numbers(drawn))


def _diverged(runs: pd.DataFrame, split: str, arch: str) -> set[float]:
    """Each β whose reconstructions are those of a run that diverged.

    The pictures do not say so themselves: they are pixels of the smallest seed's runs (see
    `rdpipe.tables`), black where there is no model. Only the table of runs has their status; the
    summary has merged the seeds.
    """
    first = runs[(runs["seed"] == runs["seed"].min()) & (runs["status"] == "diverged")]
    return set(first.loc[(first["split"] == split) & (first["arch"] == arch), "beta"])


def _left_of(i: int) -> float:
    """Left side of image `i` of a strip, in widths of an image."""
    return (1 + GAP) * i + BREAKS[min(i, 2)]


def _show_reconstructions(
    strip: Axes, pictures: Mapping[str, np.ndarray], diverged: Collection[float]
) -> None:
    """Show a difficult test image, the nearest training image, and reconstructions by β.

    A run that diverged leaves its place empty: its black is not a model's.

    Parameters
    ----------
    strip
        Axes as high as an image.
    pictures
        reconstructions.npz, of the B runs of one panel: `beta` (B,); `input`, `neighbour` and
        `reconstruction`, uint8 (B, K, H, W, C), of whose K examples the first is shown.
    diverged
        Each β whose run diverged.
    """
    order = pictures["beta"].argsort()
    betas = pictures["beta"][order]
    shown = [
        ("input", pictures["input"][order[0], 0]),
        ("nearest", pictures["neighbour"][order[0], 0]),
        *zip([f"{beta:g}" for beta in betas], pictures["reconstruction"][order, 0], strict=True),
    ]
    breadth, point = strip.bbox.width / strip.bbox.height, 1 / strip.bbox.height
    margin = (breadth - _left_of(len(shown)) + GAP) / 2
    text: dict[str, Any] = {"ha": "center", "va": "baseline", "fontsize": _style.TINY}
    for i, (label, image) in enumerate(shown):
        left = margin + _left_of(i)
        if i < 2 or betas[i - 2] not in diverged:
            _style.show_image(strip, image, left)
        strip.text(left + 0.5, 1 + 2.5 * point, label, **text)
    first, last = margin + _left_of(2), left + 1
    strip.text((first + last) / 2, 1 + 11 * point, r"reconstructions, by $\beta$", **text)
    rule = [1 + 8.5 * point] * 2
    strip.plot((first, last), rule, color="black", linewidth=0.4, clip_on=False)
    strip.set(xlim=(0, breadth), ylim=(0, 1))
    strip.set_axis_off()
