"""rdpipe: rate-distortion studies of β-VAEs.  `rdpipe.open` opens finished results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdpipe.results import Results


def open(folder: str | Path = "results", study: str | None = None) -> Results:  # noqa: A001
    """Open the results of a study: its tables, runs, models and figures.

    Neither Snakemake nor a config is needed. The folder may be a copy on another machine.

    Parameters
    ----------
    folder
        The results folder.
    study
        The name of the study; needed if the folder has several.

    Raises
    ------
    RdpipeError
        If the folder has no such study, or has several and none is named.

    Examples
    --------
    >>> results = rdpipe.open("results")  # doctest: +SKIP
    >>> results.table("fig3")  # doctest: +SKIP
    >>> model = results.run("sparse", "mlp-1", beta=1, seed=0).model  # doctest: +SKIP
    """
    from rdpipe.results import Results  # jobs import this package; they are spared pandas

    return Results.read(Path(folder), study)
