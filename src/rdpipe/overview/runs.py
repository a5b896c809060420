"""The runs of a study as a table: their axes, status, numbers and folders."""

import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rdpipe.common.errors import RdpipeError
from rdpipe.overview.progress import Look
from rdpipe.study.plan import Plan, RunAxes
from rdpipe.study.wording import unknown

AXES = ("dataset", "split", "arch", "beta", "seed", "iteration")
OWN = ("beta", "seed", "part", "status", "n")  # columns of metrics.parquet that are no metrics
SHORT = ("train_distortion", "train_rate", "test_distortion", "test_rate")  # shown in a terminal
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "=": operator.eq,
    "<": operator.lt, ">": operator.gt,
}  # fmt: skip
Row = dict[str, Any]


def table(look: Look, where: str = "") -> tuple[list[str], list[Row]]:
    """The runs that some targets need, one row each, checkpoints included.

    Parameters
    ----------
    look
        A look at the study, for these targets.
    where
        Conditions, with spaces between them, all of which must hold, such as
        `split=cv-16k arch=mlp-* beta<1`. `=` takes several values, as in `beta=0.1,1`, and
        patterns with `*`.

    Returns
    -------
    list of str
        The columns, also if no run fulfils the conditions.
    list of dict
        The rows.

    Raises
    ------
    RdpipeError
        If a condition cannot be read, or names an unknown column.
    """
    conditions = parse(where)
    early = [one for one in conditions if one[0] in AXES]
    every = _rows(look)
    rows = [row for row in every if _holds(row, early)]
    _measure(look.results.plan, rows or every)  # without hits, for the columns
    columns = list(dict.fromkeys(name for row in rows or every for name in row if name[0] != "_"))
    for name, _, _ in conditions:
        for fault in unknown("--where", [name], columns, "column", listed=False):
            raise RdpipeError(fault)
    rows = [row for row in rows if _holds(row, conditions)]
    return columns, [{name: row.get(name) for name in columns} for row in rows]


def parse(where: str) -> list[tuple[str, str, str]]:
    """The conditions of a text: column, comparison, value.

    Raises
    ------
    RdpipeError
        If one of them cannot be read.
    """
    found = []
    for text in where.split():
        if not (match := re.fullmatch(r"(\w+)(<=|>=|!=|=|<|>)(\S+)", text)):
            raise RdpipeError(
                f"--where: {text} is no condition; write it without spaces, as in beta<1."
            )
        found.append((match[1], match[2], match[3]))
    return found


def _holds(row: Mapping[str, Any], conditions: Iterable[tuple[str, str, str]]) -> bool:
    return all(_true(row.get(name), how, value) for name, how, value in conditions)


def _true(given: Any, how: str, value: str) -> bool:
    """Whether a value fulfils a condition; an unknown number fulfils none."""
    if given is None:
        return False
    if isinstance(given, str):
        alike = any(fnmatch.fnmatchcase(given, one) for one in value.split(","))
        if how not in ("=", "!="):
            raise RdpipeError(f"--where: {given} is a name, which can only be = or != {value}.")
        return alike == (how == "=")
    try:
        values = [float(one) for one in value.split(",")]
    except ValueError:
        raise RdpipeError(f"--where: {value} is no number; give one.") from None
    if how == "!=":
        return all(given != one for one in values)
    return any(COMPARE[how](given, one) for one in values)


def _rows(look: Look) -> list[Row]:
    """Axes, status and folder of each run."""
    plan, results = look.results.plan, look.results
    now = look.progress()
    failed, running = ({told.title for told in jobs} for jobs in (now.failed, now.running))
    rows = []
    for node in look.needed["training"]:
        split, arch = node.name.split("/")
        there = {id(run) for run in results.existing(node)}
        evaluation = plan.evaluation[node.name]
        measured = {id(run) for run in results.existing(evaluation)}
        for run in results.runs:
            title = f"training {node.name}"
            alone = f"{title} beta={run['beta']:g} seed={run['seed']}"
            status = look.status(node, run) if id(run) in there else "missing"
            if status == "missing" and {title, alone} & failed:
                status = "failed"
            elif status == "missing" and {title, alone} & running:
                status = "running"
            rows.append(
                {
                    "dataset": plan.study.splits[split].dataset,
                    "split": split,
                    "arch": arch,
                    "beta": run["beta"],
                    "seed": run["seed"],
                    "iteration": _iteration(plan, run),
                    "status": status,
                    "folder": str(Path(results.path(node, run)).parent),
                    "_metrics": results.path(evaluation, run, "metrics.parquet")
                    if id(run) in measured
                    else None,
                }
            )
    return rows


def _iteration(plan: Plan, run: RunAxes) -> int:
    return int(run.get("checkpoint", plan.study.training.iterations))


def _measure(plan: Plan, rows: list[Row]) -> None:
    """Add the metrics of both parts, as `train_rate`, to the rows of evaluated runs."""
    known: dict[tuple[Any, ...], Row] = {}
    measured = [row for row in rows if row["_metrics"]]
    for node in plan.tables.values() if len(measured) > 100 else ():
        path = Path(node.file("rd.parquet"))
        if path.exists():  # thousands of small files take seconds
            for row in _parquet([str(path)]):
                axes = (row["split"], row["arch"], row["beta"], row["seed"], row["iteration"])
                known.setdefault(axes, {}).update(_metrics(row, AXES))
    left = []
    for row in measured:
        axes = (row["split"], row["arch"], row["beta"], row["seed"], row["iteration"])
        if axes in known:
            row.update(known[axes])
        else:
            left.append(row)
    parts = _parquet([row["_metrics"] for row in left]) if left else []
    for row, train, test in zip(left, parts[::2], parts[1::2], strict=True):
        row.update(_metrics(train, ()) | _metrics(test, ()))


def _metrics(row: Mapping[str, Any], axes: Iterable[str]) -> Row:
    """The metrics of one part of a run, under names that begin with the part."""
    others = {*axes, *OWN, "split_kind", "n_train", "n_test", "made_with", "learned"}
    return {
        f"{row['part']}_{name}": value
        for name, value in row.items()
        if name not in others and value is not None and value == value
    }


def _parquet(paths: list[str]) -> list[Row]:
    import pyarrow.parquet as pq  # other commands spare it

    rows: list[Row] = pq.read_table(paths, partitioning=None).to_pylist()
    return rows
