"""Figure 4: test RD curves by the size of the training set, of CV and of CD splits."""

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
    _by_size.draw(folder, "fig4", summary=inputs["summary"], splits=splits, archs=archs)
