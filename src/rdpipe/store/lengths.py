"""Items of one run at several lengths of training, and the states that the store has of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdpipe.store.jobs import Item, Job

Axes = tuple[tuple[str, Any], ...]
"""β and seed of a run, with their names."""


def by_run(items: Sequence[Item], end: int) -> dict[Axes, dict[int, Item]]:
    """The items of each run by their length of training; `end` is that of all but checkpoints."""
    found: dict[Axes, dict[int, Item]] = {}
    for item in items:
        length = item.settings.get("iterations", end)
        found.setdefault(tuple(item.axes.items()), {})[length] = item
    return found


def longest_states(
    job: Job, items: Mapping[Axes, Mapping[int, Item]], runs: Sequence[Axes], before: int, name: str
) -> list[Path]:
    """The states of all the runs at the last length below `before` of which the store has them.

    Without such a length, none. `name` is the file's.
    """
    lengths = {length for run in runs for length in items[run] if length < before}
    for length in sorted(lengths, reverse=True):
        at_length = (items[run].get(length) for run in runs)
        states = [job.stored(item, name) if item else None for item in at_length]
        found = [path for path in states if path]
        if len(found) == len(runs):
            return found
    return []
