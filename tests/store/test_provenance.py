"""What a record says of how an object was computed."""

import numpy
import pytest

from rdpipe.store import provenance
from rdpipe.store.provenance import Shares, circumstances


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still; gives the function that moves it on by some seconds."""
    now = [100.0]
    monkeypatch.setattr(provenance, "perf_counter", lambda: now[0])

    def move(seconds):
        now[0] += seconds

    return move


def seconds(shares, products, move, writing=0.0):
    """The seconds of each product, whose writing takes some, too."""
    found = []
    for _ in shares.of(products):
        move(writing)
        found.append(shares.seconds())
    return found


def test_runs_that_are_trained_together_have_equal_shares(clock):
    def train():
        clock(400)
        yield from "abcd"

    assert seconds(Shares(4), train(), clock, writing=0.5) == [100.5] * 4


def test_items_that_are_computed_in_turn_have_their_own_time(clock):
    """What is done before the first, such as reading data, is shared."""

    def evaluate():
        clock(30)
        for i, item in enumerate("abc"):
            clock(i)
            yield item

    found = seconds(Shares(3), evaluate(), clock, writing=2)
    assert found == [10 + 2, 10 + 1 + 2, 10 + 2 + 2]
    assert sum(found) == 30 + (0 + 1 + 2) + 3 * 2


def test_a_single_item_has_all_the_time(clock):
    assert seconds(Shares(1), ["a"], clock, writing=7) == [7]


def test_circumstances_say_when_where_and_with_which_versions(clock):
    shares = Shares(2)
    clock(3.00049)
    said = circumstances(shares, threads=5)
    assert (said["pack"], said["threads"], said["seconds"]) == (2, 5, 3.0)
    assert said["start"].endswith("+00:00")
    assert said["versions"]["numpy"] == numpy.__version__
    assert {"python", "torch", "pyarrow"} <= set(said["versions"])
    assert all(isinstance(said[name], str) and said[name] for name in ("host", "platform"))
