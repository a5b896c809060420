"""What a record says of how an object was computed."""

import os
import shutil
import subprocess

import numpy
import pytest

from rdpipe.store import provenance
from rdpipe.store.provenance import Shares, circumstances, commit


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
    for _ in shares.of(products, group=str.isupper):
        move(writing)
        found.append(shares.seconds())
    return found


def test_runs_that_are_trained_together_have_equal_shares(clock):
    def train():
        clock(400)
        yield from "abcd"

    assert seconds(Shares([False] * 4), train(), clock, writing=0.5) == [100.5] * 4


def test_runs_at_a_checkpoint_and_at_the_end_share_the_time_of_each_length(clock):
    def train():
        clock(100)
        yield from "ab"
        clock(300)
        yield from "AB"

    shares = Shares([False, True, False, True])
    assert seconds(shares, train(), clock, writing=1) == [51, 51, 151, 151]
    assert shares.items == 4


def test_items_that_are_computed_in_turn_have_their_own_time(clock):
    """What is done before the first, such as reading data, is shared."""

    def evaluate():
        clock(30)
        for i, item in enumerate("abc"):
            clock(i)
            yield item

    found = seconds(Shares([False] * 3), evaluate(), clock, writing=2)
    assert found == [10 + 2, 10 + 1 + 2, 10 + 2 + 2]
    assert sum(found) == 30 + (0 + 1 + 2) + 3 * 2


def test_time_before_an_interruption_counts(clock):
    def train():
        clock(40)
        yield from "ab"

    assert seconds(Shares([False] * 2, before=360.0), train(), clock) == [200, 200]


def test_a_single_item_has_all_the_time(clock):
    assert seconds(Shares([False]), ["a"], clock, writing=7) == [7]


def test_circumstances_say_when_where_and_with_which_versions(clock):
    shares = Shares("ab")
    clock(3.00049)
    said = circumstances(shares, threads=5)
    assert (said["pack"], said["threads"], said["seconds"]) == (2, 5, 3.0)
    assert said["start"].endswith("+00:00")
    assert said["versions"]["numpy"] == numpy.__version__
    assert {"python", "torch", "pyarrow"} <= set(said["versions"])
    assert all(isinstance(said[name], str) and said[name] for name in ("host", "platform"))


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder of code in a repository with one commit; gives the function that calls git there."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    code = tmp_path / "src"
    code.mkdir()
    (code / "a.py").write_text("A = 1\n")
    (tmp_path / ".gitignore").write_text("/.venv/\n")

    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        call = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message=first")
    commit.cache_clear()
    yield code, git
    commit.cache_clear()


def test_a_record_names_the_commit_of_the_code(repository):
    code, git = repository
    (code.parent / "config.yaml").write_text("a: 1\n")  # no code
    assert commit(code) == {"commit": git("rev-parse", "HEAD"), "clean": True}


@pytest.mark.parametrize("file", ["a.py", "new.py"])
def test_a_record_says_if_the_code_differed_from_its_commit(repository, file):
    code, git = repository
    (code / file).write_text("A = 2\n")
    assert commit(code) == {"commit": git("rev-parse", "HEAD"), "clean": False}


def test_code_in_no_repository_has_no_commit(repository, tmp_path):
    """Also if an environment lies in the repository of somebody's own project."""
    code, _ = repository
    installed = code.parent / ".venv" / "rdpipe"
    shutil.copytree(code, installed)
    assert commit(installed) == {"commit": None, "clean": None}
    shutil.rmtree(code.parent / ".git")
    commit.cache_clear()
    assert commit(code) == {"commit": None, "clean": None}
