"""Figure 5: test RD curves of several splits, by architecture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdpipe.common.files import read_parquet
from rdpipe.figures import _rd_plane, _style
from rdpipe.figures._labels import split_colours, split_labels
from rdpipe.figures._rd_plane import Curve, Panel, points


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel an architecture, with a curve a split.

    Parameters
    ----------
    folder
        Where fig5.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Curves; panels from the left (see `rdpipe.figures`).
    """
    summary = read_parquet(inputs["summary"])
    labels = split_labels(summary, splits)
    colours = split_colours(summary, [*labels])
    panels = [
        Panel(
            arch["label"],
            [
                Curve(points(summary, split, arch["name"], "test"), labels[split], colours[split])
                for split in labels
            ],
        )
        for arch in archs
    ]
    _rd_plane.save(folder, "fig5", *_rd_plane.wrapped_page(panels, share="page"))
