"""The tables and labels that a figure of an experiment is drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rdpipe.common.files import read_npz, read_parquet
from rdpipe.figures import _labels
from rdpipe.figures._labels import Arch, Split


@dataclass(frozen=True)
class Experiment:
    """An experiment: its splits × architectures, and its tables (see `rdpipe.tables`).

    Tables other than the summary are read at their first use, so a figure reads only the tables
    that it shows.

    Attributes
    ----------
    paths
        The files `summary`, `runs`, `neighbours` and `reconstructions`.
    summary
        rd_summary.parquet: one row for each split, architecture, β and part.
    splits, archs
        In the order in which figures show them.
    """

    paths: Mapping[str, Path]
    summary: pd.DataFrame
    splits: Sequence[Split]
    archs: Sequence[Arch]

    @classmethod
    def load(
        cls,
        paths: Mapping[str, Path],
        splits: Sequence[Mapping[str, Any]],
        archs: Sequence[Mapping[str, Any]],
    ) -> "Experiment":
        """Read the summary, and give splits and architectures their labels.

        Parameters
        ----------
        paths
            See the attribute.
        splits, archs
            The facts that `rdpipe.figures._labels` takes.
        """
        summary = read_parquet(paths["summary"])
        return cls(paths, summary, _labels.splits(splits, summary), _labels.archs(archs))

    @cached_property
    def runs(self) -> pd.DataFrame:
        """rd.parquet: one row for each run and part."""
        return read_parquet(self.paths["runs"])

    @cached_property
    def neighbours(self) -> pd.DataFrame:
        """neighbours.parquet: distances from test images to the training part, by split."""
        return read_parquet(self.paths["neighbours"])

    @cached_property
    def reconstructions(self) -> Mapping[str, np.ndarray]:
        """reconstructions.npz: images of difficult examples, by split."""
        return read_npz(self.paths["reconstructions"])

    def points(self, split: Split, arch: Arch, part: str, metrics: Sequence[str]) -> pd.DataFrame:
        """The points of a curve by ascending β.

        A β without a value of any of the metrics is left out: none of its runs finished.

        Parameters
        ----------
        split, arch, part
            The group of runs; the part is "train" or "test".
        metrics
            The metrics to return.

        Returns
        -------
        DataFrame
            Columns split, arch, part, beta, n (number of runs), for each metric its
            `<metric>_mean` and `<metric>_std` over seeds, and `note`, empty where all seeds are
            there and learned.
        """
        table = self.summary
        chosen = table[
            (table["split"] == split.name) & (table["arch"] == arch.name) & (table["part"] == part)
        ]
        moments = [f"{metric}_{moment}" for metric in metrics for moment in ("mean", "std")]
        known = chosen.dropna(subset=moments[::2], how="all").sort_values("beta")
        return known[["split", "arch", "part", "beta", "n", *moments, "note"]]
