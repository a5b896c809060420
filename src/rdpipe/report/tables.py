"""The runs of an experiment as the report shows them: also those of one that is not finished."""

from dataclasses import dataclass

import pandas as pd

from rdpipe import tables
from rdpipe.figures import _labels
from rdpipe.results import Results, Run


@dataclass(frozen=True)
class Experiment:
    """An experiment, as far as its runs are evaluated.

    Attributes
    ----------
    name
        Its name in the study.
    rd, summary
        Tables of `rdpipe.tables`, of runs at the end of training.
    splits, archs
        Those that have runs, with labels; None if no run is evaluated.
    """

    name: str
    rd: pd.DataFrame
    summary: pd.DataFrame
    splits: list[_labels.Split]
    archs: list[_labels.Arch]

    def pairs(self) -> list[tuple[str, str]]:
        """Each split and architecture that has runs."""
        found = self.summary[["split", "arch"]].drop_duplicates()
        return [(split, arch) for split, arch in found.itertuples(index=False)]


def load(results: Results, name: str) -> Experiment | None:
    """An experiment, from its table or, before it has one, from the runs that are evaluated.

    None if no run is evaluated.
    """
    entry = results.about["experiments"][name]
    end = results.about["iterations"][-1]
    if (results.folder / entry["table"] / "rd.parquet").exists():
        rd, summary = results.table(name), results.table(name, "rd_summary")
    else:
        there = [run for run in results.all_runs([name]) if (run.evaluation / METRICS).exists()]
        if not there:
            return None
        axes = [_axes(results, run) for run in there]
        rd = tables.rd_table(axes, [run.evaluation / METRICS for run in there])
        rd = rd.assign(made_with="", learned=tables.learned(rd))
        summary = tables.summarise(rd)
    rd, summary = (table[table["iteration"] == end] for table in (rd, summary))
    splits = [one for one in entry["splits"] if one["name"] in set(summary["split"])]
    archs = [one for one in entry["archs"] if one["name"] in set(summary["arch"])]
    return Experiment(name, rd, summary, _labels.splits(splits, summary), _labels.archs(archs))


METRICS = "metrics.parquet"


def _axes(results: Results, run: Run) -> dict[str, object]:
    split = results.about["settings"]["splits"][run.split]
    return {
        "dataset": split["dataset"],
        "split": run.split,
        "split_kind": split["kind"],
        "arch": run.arch,
        "beta": run.beta,
        "seed": run.seed,
        "iteration": run.iteration,
    }
