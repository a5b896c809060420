"""How the results were made: hours, devices and versions, from the records of the store."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rdpipe.common.files import read_json
from rdpipe.results import Results, Run

SHOWN = ("python", "torch", "numpy", "pandas", "snakemake")  # of a record's versions


def making(results: Results, runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Computations by stage, device and versions: how many there are, and their hours.

    Each measure of the stage diagnostics has rows of its own.

    Returns
    -------
    list of dict
        `stage`, `device`, `threads`, `versions`, `number`, `time` in words, `first` and `last` day.
    """
    seconds: dict[tuple[str, ...], float] = defaultdict(float)
    number: Counter[tuple[str, ...]] = Counter()
    days: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for run in runs:
        for stage, file in _files(results, run):
            record = _record(file)
            if record is None:
                continue
            versions = record.get("versions", {})
            named = ", ".join(f"{one} {versions[one]}" for one in SHOWN if one in versions)
            key = (stage, str(record.get("device")), str(record.get("threads")), named)
            number[key] += 1
            seconds[key] += record.get("seconds", 0)
            days[key].add(str(record.get("start", ""))[:10])
    return [
        {
            "stage": key[0],
            "device": key[1],
            "threads": key[2],
            "versions": key[3],
            "number": number[key],
            "time": duration(seconds[key]),
            "first": min(days[key]),
            "last": max(days[key]),
        }
        for key in number
    ]


def _files(results: Results, run: Run) -> Iterator[tuple[str, Path]]:
    """One file of each object of a run, after the name of its stage."""
    yield "training", run.folder / "run.json"
    yield "evaluation", run.evaluation / "metrics.parquet"
    for name, place in results.about.get("diagnostics", {}).items():
        measure, _, pair = name.partition("/")
        if pair == f"{run.split}/{run.arch}":
            folder = results.folder / place / Path(*run.folder.parts[-2:])  # beta-…/seed-…
            if files := sorted(folder.glob("*.*")):
                yield f"diagnostics: {measure}", files[0]


def duration(seconds: float) -> str:
    """A time in words: 48 s, 12 min, 3.5 h, 1,200 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 100 else f"{hours:,.0f} h"


def _record(file: Path) -> dict[str, Any] | None:
    """The record of the object that a file is of; None if there is none."""
    with suppress(OSError, ValueError):
        record: dict[str, Any] = read_json(file.resolve(strict=True).parent / "record.json")
        return record
    return None
