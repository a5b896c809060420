"""Figure 7: RD curves on other datasets, by architecture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_parquet
from rdpipe.figures import _rd_plane, _style
from rdpipe.figures._labels import split_label
from rdpipe.figures._rd_plane import Panel, pair


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel a split with its own limits, as datasets differ, and a curve an architecture.

    Parameters
    ----------
    folder
        Where fig7.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Panels from the left; curves, on test and on training (see `rdpipe.figures`).

    Raises
    ------
    RdpipeError
        If there are more architectures than colours that can be told apart.
    """
    if len(archs) > len(_style.COLOURS):
        raise RdpipeError(
            f"its experiment has {len(archs)} architectures, but only "
            f"{len(_style.COLOURS)} colours can be told apart; give it fewer."
        )
    summary = read_parquet(inputs["summary"])
    panels = [
        Panel(
            f"{split['dataset']}, {split_label(summary, split['name'])}",
            [
                curve
                for arch, colour in zip(archs, _style.COLOURS, strict=False)
                for curve in pair(summary, split["name"], arch["name"], arch["label"], colour)
            ],
        )
        for split in splits
    ]
    _rd_plane.save(folder, "fig7", *_rd_plane.wrapped_page(panels, share="none"))
