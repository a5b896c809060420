"""Strips of images above a panel: a difficult test image and what a model makes of it, by β."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rdpipe.figures import _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch, Split

SIZES = 0.2, 0.42  # inches: least width of an image, that of its label, and largest width
GAP = 0.05  # between two images, in widths of an image
BREAKS = (0.0, 0.15, 0.5)  # sum of the breaks before the input, the neighbour, the images by β
LABELS = 0.26  # inches above the images
BESIDE = 0.06  # inches below them


@dataclass(frozen=True)
class Strips:
    """The settings that all strips of a page share.

    Attributes
    ----------
    pictures
        An experiment's reconstructions.npz (see `rdpipe.tables`).
    diverged
        The runs of the pictures that diverged: columns split, arch and beta.
    kinds
        The rows of images from the top: the name in `pictures`, and the label in the figure.
    betas
        The β to show, (B,), ascending: all, or as many as have room.
    breadth, size
        Width in inches of a strip, and of an image.
    """

    pictures: Mapping[str, np.ndarray]
    diverged: pd.DataFrame
    kinds: Mapping[str, str]
    betas: np.ndarray
    breadth: float
    size: float

    @property
    def above(self) -> float:
        """Inches to leave above a panel."""
        return (len(self.kinds) * (1 + GAP) - GAP) * self.size + LABELS


def strips(experiment: Experiment, kinds: Mapping[str, str]) -> Strips:
    """Lay out the strips of a page with a row of panels for each split, a column an architecture.

    The pictures do not say which runs diverged: they are pixels of the smallest seed's runs, black
    where there is no model. Only the table of runs has the status; the summary has merged the
    seeds.
    """
    pictures, runs = experiment.reconstructions, experiment.runs
    first = runs[(runs["seed"] == runs["seed"].min()) & (runs["status"] == "diverged")]
    betas = np.unique(np.concatenate([pictures[f"{one.name}/beta"] for one in experiment.splits]))
    # A strip reaches from the frame's right side to the left over the y axis.
    breadth = _style.panel_width(len(experiment.archs)) + 0.8 * _style.LEFT
    room = int((breadth / SIZES[0] - BREAKS[2]) / (1 + GAP)) - 2
    if len(betas) > room:
        betas = betas[np.linspace(0, len(betas) - 1, room).round().astype(int)]
    size = min(SIZES[1], breadth / _left_of(2 + len(betas)))
    return Strips(pictures, first[["split", "arch", "beta"]], kinds, betas, breadth, size)


def show(strips: Strips, panel: Axes, split: Split, arch: Arch) -> None:
    """Show above a panel the input, the nearest training image, and the other images by β.

    The place of a run that diverged stays empty: its black pixels come from no model.
    """
    figure, box = _style.page_of(panel)
    height = strips.above - LABELS
    at = (box.x1 - strips.breadth, box.y1 + BESIDE, strips.breadth, height)
    axes = _style.place(figure, *at)
    # from here on in widths of an image, the top row from 0 to 1
    breadth, point = strips.breadth / strips.size, 1 / 72 / strips.size
    margin = (breadth - _left_of(2 + len(strips.betas)) + GAP) / 2
    small: dict[str, Any] = {"va": "baseline", "fontsize": _style.TINY}
    labels = ["input", "nearest", *(f"{beta:g}" for beta in strips.betas)]
    lefts = [margin + _left_of(i) for i in range(len(labels))]
    for left, label in zip(lefts, labels, strict=True):
        axes.text(left + 0.5, 1 + 2.5 * point, label, ha="center", **small)
    for left, name in zip(lefts, ("input", "neighbour"), strict=False):
        _style.show_image(axes, strips.pictures[f"{split.name}/{name}"][0], left)
    for row, (name, label) in enumerate(strips.kinds.items()):
        down = -row * (1 + GAP)
        for left, image in zip(
            lefts[2:], _by_beta(strips, name, split.name, arch.name), strict=True
        ):
            if image is not None:
                _style.show_image(axes, image, left, down)
        if row > 0:  # beside its images, where the first has input and neighbour
            beside = lefts[2] - 3 * point, down + 0.5
            axes.text(*beside, label, ha="right", va="center", fontsize=_style.TINY, linespacing=1)
    middle = (lefts[2] + lefts[-1] + 1) / 2
    heading = f"{next(iter(strips.kinds.values()))}, by $\\beta$"
    axes.text(middle, 1 + 11 * point, heading, ha="center", **small)
    rule = [1 + 8.5 * point] * 2
    axes.plot((lefts[2], lefts[-1] + 1), rule, color="black", linewidth=0.4, clip_on=False)
    axes.set(xlim=(0, breadth), ylim=(1 - height / strips.size, 1))
    axes.set_axis_off()


def _by_beta(strips: Strips, name: str, split: str, arch: str) -> list[np.ndarray | None]:
    """A run's image (H, W, C) at each β, None where there is no run or it diverged."""
    lost = strips.diverged[(strips.diverged["split"] == split) & (strips.diverged["arch"] == arch)]
    of_arch = strips.pictures[f"{split}/arch"] == arch
    betas = strips.pictures[f"{split}/beta"][of_arch]
    images = strips.pictures[f"{split}/{name}"][of_arch, 0]  # the most typical of the difficult
    found = {b: image for b, image in zip(betas, images, strict=True) if b not in set(lost["beta"])}
    return [found.get(beta) for beta in strips.betas]


def _left_of(i: int) -> float:
    """Left side of image `i` of a strip, in widths of an image."""
    return (1 + GAP) * i + BREAKS[min(i, 2)]
