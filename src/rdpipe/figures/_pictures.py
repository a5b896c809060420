"""Pages of images by run: a block for each split and architecture, a row in it for each β."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_npz
from rdpipe.figures import _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch, Split

Pictures = Mapping[str, np.ndarray]
"""pictures.npz of a run (see `rdpipe.diagnostics.pictures`)."""
ROWS = 5  # β at most, evenly chosen
GAP = 2  # pixels between two images
HEAD, SIDE = 0.3, 0.62  # inches above a block for its title, and left of it for the names of rows


@dataclass(frozen=True)
class Row:
    """A line of images, uint8 (n, H, W, C) each, with gaps between its groups, and its name."""

    name: str
    groups: list[np.ndarray]


Rows = Callable[[float, Pictures], list[Row]]
"""The rows of one run, from its β and its pictures."""


def runs(experiment: Experiment, split: Split, arch: Arch) -> Iterator[tuple[float, Pictures]]:
    """β and pictures of the runs of the smallest seed that did not diverge, by ascending β."""
    found: dict[float, Path] = {}
    for key, path in experiment.paths.items():
        kind, _, rest = key.partition("/")
        if kind == "pictures" and rest.startswith(f"{split.name}/{arch.name}/"):
            found[float(rest.split("/")[2])] = path
    if not found:
        raise RdpipeError("the figure shows pictures of each run; give it `diagnostic: pictures`.")
    betas = sorted(found)
    chosen = np.linspace(0, len(betas) - 1, min(ROWS, len(betas))).round().astype(int)
    for beta in (betas[i] for i in chosen):
        pictures = read_npz(found[beta])
        if len(pictures["activity"]):
            yield beta, pictures


def save(
    folder: Path,
    name: str,
    experiment: Experiment,
    rows: Rows,
    numbers: Callable[[float, Pictures], pd.DataFrame],
    first: Callable[[Pictures], list[Row]] = lambda _: [],
) -> Figure:
    """Draw a block for each split and architecture; save and return the page.

    Parameters
    ----------
    folder, name
        Where name.pdf, .png and .csv go.
    experiment
        The experiment, whose figure has `diagnostic: pictures`.
    rows
        The rows of each run.
    numbers
        The rows of each run in the CSV, which get its split, architecture and β.
    first
        Rows above those of the runs, from the pictures of the smallest β.
    """
    blocks, tables = [], [pd.DataFrame(columns=["split", "arch", "beta"])]
    for split in experiment.splits:
        for arch in experiment.archs:
            shown = [*runs(experiment, split, arch)]
            lines = first(shown[0][1]) if shown else []
            lines += [row for beta, pictures in shown for row in rows(beta, pictures)]
            blocks.append((f"{split.label}, {arch.label}", lines))
            named = {"split": split.name, "arch": arch.name}
            tables += [
                numbers(beta, pictures).assign(**named, beta=beta) for beta, pictures in shown
            ]
    return _style.save(_page(blocks), folder, name, pd.concat(tables))


def _page(blocks: list[tuple[str, list[Row]]]) -> Figure:
    """Two blocks beside each other, if there are several."""
    columns = min(2, len(blocks))
    width = _style.WIDTH / columns - SIDE - 0.1
    sheets = [_sheet(lines) for _, lines in blocks]
    heights = [width * sheet.shape[0] / sheet.shape[1] for sheet in sheets]
    lines = [heights[i : i + columns] for i in range(0, len(heights), columns)]
    total = sum(max(line) + HEAD for line in lines) + 0.1
    figure = Figure(figsize=(_style.WIDTH, total))
    top = total
    for i, line in enumerate(lines):
        top -= HEAD
        for j, height in enumerate(line):
            title, rows = blocks[i * columns + j]
            left = j * _style.WIDTH / columns + SIDE
            axes = _style.place(figure, left, top - height, width, height)
            sheet = sheets[i * columns + j]
            axes.imshow(sheet, interpolation="none", aspect="auto")
            axes.set_frame_on(False)
            at = (np.arange(len(rows)) + 0.5) / max(len(rows), 1) * sheet.shape[0]
            axes.set_yticks(at, [row.name for row in rows], fontsize=_style.TINY)
            axes.set_xticks([])
            axes.tick_params(length=0)
            _style.title(axes, title)
        top -= max(line)
    return figure


def _sheet(rows: list[Row]) -> np.ndarray:
    """All images of a block as one, uint8 (…, …, 3), white between them."""
    lines = [_line(row.groups) for row in rows]
    if not lines:
        return np.full((8, 64, 3), 255, np.uint8)
    width = max(line.shape[1] for line in lines)
    return np.concatenate(
        [np.pad(line, ((0, GAP), (0, width - line.shape[1]), (0, 0)), constant_values=255)
         for line in lines]
    )  # fmt: skip


def _line(groups: list[np.ndarray]) -> np.ndarray:
    """Images side by side, uint8 (H, …, 3)."""
    pieces = []
    for images in groups:
        for image in images:
            rgb = np.broadcast_to(image, (*image.shape[:2], 3))
            pieces.append(np.pad(rgb, ((0, 0), (0, GAP), (0, 0)), constant_values=255))
        pieces[-1] = np.pad(pieces[-1], ((0, 0), (0, 3 * GAP), (0, 0)), constant_values=255)
    return np.concatenate(pieces, 1)
