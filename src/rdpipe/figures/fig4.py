"""Figure 4: test RD curves by the size of the training set, a row a kind of split or dataset.

Each panel shows one kind of split and one architecture, with a test RD curve for each size of the
training part. Each point is one β: the mean of rate R and distortion D over seeds, with bars of one
standard deviation. The star marks β = 1, and grey lines join points of equal ELBO. If little
training data is the reason why a model does not generalise, then curves of small sizes bend
upwards.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from rdpipe.figures import _rd_pages, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import SPLIT_KINDS, Split, thousands
from rdpipe.figures._rd_curves import curve
from rdpipe.figures._rd_pages import Panel

ALIKE = 1.05  # CD splits have sizes by chance: as good as equal up to this factor


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each kind of split (row) and architecture (column), a curve a split."""
    looks = _looks(experiment.splits)
    rows: dict[str, list[Split]] = {}
    for split in experiment.splits:
        rows.setdefault(split.prefix + SPLIT_KINDS[split.kind], []).append(split)
    panels = [
        [
            Panel(
                f"{row}, {arch.label}",
                [
                    curve(experiment, split, arch, "test", *look)
                    for split, look in looks.items()
                    if split in splits
                ],
            )
            for arch in experiment.archs
        ]
        for row, splits in rows.items()
    ]
    head = _style.line(r"$N_\mathrm{train}$:", "none")  # before the sizes
    return _rd_pages.save(folder, "fig4", *_rd_pages.page(panels, head=[head]))


def _looks(splits: Sequence[Split]) -> dict[Split, tuple[str, ColorType]]:
    """Label and colour of each split, by ascending size."""
    ordered = sorted(splits, key=lambda split: split.n_train)
    sizes = pd.Series([split.n_train for split in ordered])
    rank = (sizes / sizes.shift() > ALIKE).cumsum()  # from 0
    labels = sizes.groupby(rank).transform("max").map(thousands)
    shades = 0.85 * (1 - rank / max(1, rank.max()))  # the end of viridis is too pale
    colours = colormaps["viridis"](shades)
    return dict(zip(ordered, zip(labels, colours, strict=True), strict=True))
