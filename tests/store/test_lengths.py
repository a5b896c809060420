"""Which states of shorter trainings a longer one may go on from."""

from pathlib import Path

import pytest

from rdpipe.store.jobs import items_of_runs
from rdpipe.store.lengths import by_run, longest_states

RUNS = [
    {"beta": beta, "seed": 0} | end
    for beta in (0.1, 1.0)
    for end in ({"checkpoint": 10}, {"checkpoint": 20}, {})
]
ITEMS = by_run(items_of_runs(RUNS, {}, {}, length="iterations"), 40)
ONE, OTHER = ITEMS


class Store:
    """A job whose store has the states of some runs and lengths."""

    def __init__(self, has):
        self.has = has

    def stored(self, item, name):
        known = (item.axes["beta"], item.settings.get("iterations")) in self.has
        return Path(f"{item.axes['beta']}/{item.settings['iterations']}/{name}") if known else None


def test_items_are_found_by_run_and_length():
    assert [dict(run)["beta"] for run in ITEMS] == [0.1, 1.0]
    assert all(list(lengths) == [10, 20, 40] for lengths in ITEMS.values())


@pytest.mark.parametrize(
    ("has", "before", "length"),
    [
        ({(0.1, 10), (1.0, 10), (0.1, 20), (1.0, 20)}, 40, 20),
        ({(0.1, 10), (1.0, 10), (0.1, 20)}, 40, 10),  # all runs start at the same length
        ({(0.1, 10), (1.0, 10), (0.1, 20), (1.0, 20)}, 20, 10),
        ({(0.1, 10), (1.0, 20)}, 40, None),
        (set(), 40, None),
    ],
)
def test_all_runs_go_on_from_the_last_length_that_the_store_has_of_all(has, before, length):
    wanted = {run: {before: ITEMS[run][before]} for run in (ONE, OTHER)}
    found = longest_states(Store(has), ITEMS, wanted, "s")
    assert found == ([Path(f"{beta}/{length}/s") for beta in (0.1, 1.0)] if length else [])
