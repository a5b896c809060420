"""Figure 6: RD curves of MLPs and CNNs of the same depth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_parquet
from rdpipe.figures import _rd_plane, _style
from rdpipe.figures._labels import split_labels
from rdpipe.figures._rd_plane import Panel, pair

KINDS = {"mlp": ("MLP", _style.TRAIN), "cnn": ("CNN", _style.TEST)}


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel a split (row) and number of layers (column), with a test curve a kind.

    Parameters
    ----------
    folder
        Where fig6.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Rows from the top; curves, of which only those without a variant are drawn (see
        `rdpipe.figures`).

    Raises
    ------
    RdpipeError
        If the experiment lacks MLPs or CNNs, or has several of one depth.
    """
    summary = read_parquet(inputs["summary"])
    plain = [arch for arch in archs if not arch["variant"]]
    if {arch["kind"] for arch in plain} < {*KINDS}:
        raise RdpipeError(
            "it compares MLPs with CNNs; "
            "give its experiment architectures of kind mlp and of kind cnn."
        )
    sorts = [(arch["kind"], arch["layers"]) for arch in plain]
    if len({*sorts}) < len(sorts):
        raise RdpipeError(
            "it has one curve an MLP or CNN of each depth; "
            "give its experiment no two architectures of one kind and number of layers."
        )
    rows = [
        [
            Panel(
                f"{label}, {layers} layer{'s' if layers > 1 else ''}",
                [
                    curve
                    for arch in plain
                    if arch["layers"] == layers
                    for curve in pair(summary, split, arch["name"], *KINDS[arch["kind"]])
                ],
            )
            for layers in sorted({arch["layers"] for arch in plain})
        ]
        for split, label in split_labels(summary, splits).items()
    ]
    _rd_plane.save(folder, "fig6", *_rd_plane.page(rows))
