"""Test RD curves of the other datasets by the size of the training set (Section 4.4)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdpipe.figures import _by_size, _style


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel a dataset (row) and architecture (column), with a curve a split.

    Parameters
    ----------
    folder
        Where all_datasets.pdf, .png and .csv (the points of all curves) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Curves, and their datasets in the order of the rows; columns from the left (see
        `rdpipe.figures`).
    """
    _by_size.draw(folder, "all_datasets", summary=inputs["summary"], splits=splits, archs=archs)
