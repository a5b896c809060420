"""Which items are computed together: as many as fit the memory, or those of a saved state."""

import os
import time

import pytest

from rdpipe.common.errors import OutOfMemoryError
from rdpipe.common.files import write_json
from rdpipe.store.objects import Store
from rdpipe.store.rounds import forget, in_rounds, spent, state_of

KEYS = list("abcde")


@pytest.fixture
def state(tmp_path):
    (tmp_path / "state").mkdir()
    return state_of(Store(tmp_path), KEYS)


@pytest.fixture
def rounds(state):
    """Compute in rounds. Gives the items of each round that was tried, and those that were made."""

    def start(missing="abcde", most=5, *, fails_at=None, fits=5, saves=False):
        tried, made = [], set()

        def compute(keys):
            tried.append("".join(keys))
            if len(keys) > fits:
                if saves:
                    state.write_text("half-way")
                raise OutOfMemoryError(f"{len(keys)} do not fit.")
            for key in keys:
                if key == fails_at:
                    state.write_text("half-way")
                    raise RuntimeError
                made.add(key)
            forget(state)

        try:
            in_rounds(KEYS, missing, most, state, compute)
        except (RuntimeError, OutOfMemoryError) as error:
            tried.append(type(error))
        return tried, made

    return start


def test_what_is_missing_is_computed_together(rounds, state):
    assert rounds("ebd") == (["bde"], {"b", "d", "e"})  # in the order of the job's items
    assert not list(state.parent.iterdir())


@pytest.mark.parametrize(
    ("most", "tried"),
    [(1, ["a", "b", "c", "d", "e"]), (2, ["ab", "cd", "e"]), (4, ["abcd", "e"]), (99, ["abcde"])],
)
def test_rounds_take_as_many_as_fit(rounds, most, tried):
    assert rounds(most=most) == (tried, set(KEYS))


def test_out_of_memory_is_answered_by_smaller_rounds(rounds, caplog):
    caplog.set_level("INFO", "rdpipe")
    tried, made = rounds(most=4, fits=1)
    assert tried == ["abcd", "ab", "a", "b", "c", "d", "e"]
    assert made == set(KEYS)
    assert "4 do not fit.\n" in caplog.text
    assert "2 of 5 runs at once, for memory\n" in caplog.text


def test_one_item_that_does_not_fit_fails(rounds):
    assert rounds("ab", fits=0) == (["ab", "a", OutOfMemoryError], set())


def test_items_that_have_fitted_before_are_not_divided(rounds, state):
    """Another program uses the memory now, and the state of all of them must not be lost."""
    assert rounds(fits=2, saves=True) == (["abcde", OutOfMemoryError], set())
    assert state.read_text() == "half-way"


def test_an_interrupted_computation_goes_on_with_the_same_items(rounds, state):
    """Items that were stored just before belong to the state; items stored long before do not."""
    _, made = rounds("bcde", fails_at="d")
    assert made == {"b", "c"}
    assert rounds("de") == (["bcde"], {"b", "c", "d", "e"})
    assert not list(state.parent.iterdir())


def test_the_time_up_to_each_saved_state_adds_up(state):
    def interrupted(seconds):
        """A call that saves its state after so many seconds, and then loses what it goes on to."""
        started = time.time()

        def compute(_):
            found.append(spent(state))
            state.write_text("half-way")
            os.utime(state, (started + seconds,) * 2)
            raise RuntimeError

        with pytest.raises(RuntimeError):
            in_rounds(KEYS, KEYS, 5, state, compute)

    found = []
    for seconds in (100, 20, 7):
        interrupted(seconds)
    assert found == pytest.approx([0, 100, 120], abs=1)
    forget(state)
    assert spent(state) == 0


def test_an_interrupted_round_is_gone_on_with_alone(rounds):
    rounds(most=2, fails_at="d")
    assert rounds("cde", most=3)[0] == ["cd", "e"]


def test_a_state_whose_items_are_all_stored_is_not_used(rounds):
    rounds("ab", fails_at="b")
    assert rounds("cde")[0] == ["cde"]


@pytest.mark.parametrize("members", ['{"keys": ["of another pack"]}', "", "{"])
def test_a_state_of_unknown_items_is_not_used(rounds, state, members):
    rounds(fails_at="a")
    state.with_suffix(".json").write_text(members)
    tried, _ = rounds("cde", most=2, fails_at="e")
    assert tried == ["cd", "e", RuntimeError]


def test_a_state_belongs_to_its_items_in_any_order_and_to_one_checkout(tmp_path, monkeypatch):
    store = Store(tmp_path)
    before = state_of(store, "abc")
    assert state_of(store, "cba") == before
    assert state_of(store, "abcd") != before
    (tmp_path / "another").mkdir()
    monkeypatch.chdir(tmp_path / "another")
    assert state_of(store, "abc") != before


def test_all_that_killed_jobs_left_of_a_state_is_removed(state):
    other = state_of(Store(state.parents[1]), "xyz")
    for path in (state, other):
        path.write_text("half-way")
        write_json(path.with_suffix(".json"), ["a"])
        for left in (path, path.with_suffix(".json")):
            left.with_name(f".{left.name}.01234567").touch()
    forget(state)
    assert {path.name.strip(".").partition(".")[0] for path in state.parent.iterdir()} == {
        other.stem
    }
    assert len(list(state.parent.iterdir())) == 4
