"""The tables and labels that a figure of an experiment is drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rdpipe.common.files import read_npz, read_parquet
from rdpipe.figures import _labels, _published
from rdpipe.figures._labels import Arch, Split


@dataclass(frozen=True)
class Experiment:
    """An experiment: its splits × architectures, and its tables (see `rdpipe.tables`).

    Tables other than the summary are read at their first use, so a figure reads only the tables
    that it shows.

    Attributes
    ----------
    paths
        The files `summary`, `runs`, `neighbours` and `reconstructions`, and `published` if the
        figure shows published points.
    summary
        Rows of rd_summary.parquet: one for each split, architecture, β and part, of one iteration.
    iteration
        The length of training: the longest, where runs have checkpoints.
    splits, archs
        In the order in which figures show them.
    """

    paths: Mapping[str, Path]
    summary: pd.DataFrame
    iteration: int
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
        table = read_parquet(paths["summary"])
        last = int(table["iteration"].max())
        labels = _labels.splits(splits, table), _labels.archs(archs)
        return cls(paths, table[table["iteration"] == last], last, *labels)

    @cached_property
    def checkpoints(self) -> Mapping[int, "Experiment"]:
        """The same experiment at every iteration that was evaluated, by the iteration."""
        table = read_parquet(self.paths["summary"])
        return {
            int(n): replace(self, summary=table[table["iteration"] == n], iteration=int(n))
            for n in table["iteration"].unique()
        }

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Rows of rd.parquet: one for each run and part, of one iteration."""
        table = read_parquet(self.paths["runs"])
        return table[table["iteration"] == self.iteration]

    @cached_property
    def neighbours(self) -> pd.DataFrame:
        """neighbours.parquet: distances from test images to the training part, by split."""
        return read_parquet(self.paths["neighbours"])

    @cached_property
    def reconstructions(self) -> Mapping[str, np.ndarray]:
        """reconstructions.npz: images of difficult examples, by split."""
        return read_npz(self.paths["reconstructions"])

    @cached_property
    def published(self) -> pd.DataFrame | None:
        """Published points (see `_published`); None if the figure shows none."""
        return _published.read(self.paths["published"]) if "published" in self.paths else None

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
