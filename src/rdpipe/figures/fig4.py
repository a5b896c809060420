"""Figure 4: test RD curves by the size of the training set, a row a kind of split or dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType

from rdpipe.common.files import read_parquet
from rdpipe.figures import _rd_plane, _style
from rdpipe.figures._labels import SPLIT_KINDS, in_dataset, thousands
from rdpipe.figures._rd_plane import Curve, Panel, points

HEAD = Line2D([], [], linestyle="none", label=r"$N_\mathrm{train}$:")  # before the sizes
ALIKE = 1.05  # CD splits have sizes by chance: as good as equal up to this factor


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel a kind of split (row) and architecture (column), with a curve a split.

    Parameters
    ----------
    folder
        Where fig4.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Curves, and their kinds in the order of the rows; columns from the left (see
        `rdpipe.figures`).
    """
    table = read_parquet(inputs["summary"])
    about = table.drop_duplicates("split").set_index("split")
    sizes = about.loc[[split["name"] for split in splits], "n_train"]
    looks = _looks(sizes.sort_values(kind="stable"))
    rows: dict[str, list[str]] = {}
    for split in splits:
        kind = SPLIT_KINDS[str(about["split_kind"][split["name"]])]
        rows.setdefault(in_dataset(kind, split["dataset"], splits), []).append(split["name"])
    panels = [
        [
            Panel(
                f"{row}, {arch['label']}",
                [
                    Curve(points(table, split, arch["name"], "test"), *look)
                    for split, look in looks.items()
                    if split in names
                ],
            )
            for arch in archs
        ]
        for row, names in rows.items()
    ]
    figure, drawn = _rd_plane.page(panels, head=[HEAD])
    _rd_plane.save(folder, "fig4", figure, drawn)


def _looks(sizes: pd.Series) -> dict[str, tuple[str, ColorType]]:
    """Label and colour of each split (index), given their sizes in ascending order."""
    rank = (sizes / sizes.shift() > ALIKE).cumsum()  # from 0
    labels = sizes.groupby(rank).transform("max").map(thousands)
    shades = 0.85 * (1 - rank / max(1, rank.max()))  # the end of viridis is too pale
    colours = colormaps["viridis"](shades)
    return dict(zip(sizes.index, zip(labels, colours, strict=True), strict=True))
