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
    job: Job,
    items: Mapping[Axes, Mapping[int, Item]],
    wanted: Mapping[Axes, Mapping[int, Item]],
    name: str,
) -> list[Path]:
    """The states from which the trainings of the wanted runs can go on.

    Parameters
    ----------
    items, wanted
        All items of the job, and those that are to be computed, as `by_run` returns them.
    name
        Name of the file with a state.

    Returns
    -------
    list of Path
        One state for each wanted run, all of one length: the longest below all wanted lengths of
        which the store has every state. Empty if there is none.
    """
    before = min(length for of_run in wanted.values() for length in of_run)
    lengths = {length for run in wanted for length in items[run] if length < before}
    for length in sorted(lengths, reverse=True):
        at_length = (items[run].get(length) for run in wanted)
        states = [job.stored(item, name) if item else None for item in at_length]
        found = [path for path in states if path]
        if len(found) == len(wanted):
            return found
    return []
