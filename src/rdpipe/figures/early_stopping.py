"""RD curves with and without early stopping (Section 4.4)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdpipe.common.files import read_parquet
from rdpipe.figures import _rd_plane, _style
from rdpipe.figures._labels import split_labels
from rdpipe.figures._variants import by_base, panels

LOOKS = {
    "": ("without early stopping", _style.TRAIN),
    "early stopping": ("with early stopping", _style.TEST),
}


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel a split (row) and architecture (column), both with and without.

    Parameters
    ----------
    folder
        Where early_stopping.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Rows from the top; columns from the left, variants with what they vary (see
        `rdpipe.figures`).

    Raises
    ------
    RdpipeError
        If no architecture is stopped early.
    """
    bases = by_base(archs, ["early stopping"], "early_stopping")
    summary = read_parquet(inputs["summary"])
    rows = panels(summary, split_labels(summary, splits), bases, LOOKS)
    _rd_plane.save(folder, "early_stopping", *_rd_plane.page(rows))
