"""Locks of killed calls of Snakemake are removed, and no others."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from rdpipe.study import lock

CALL = """
import sys
from pathlib import Path
from rdpipe.study import lock
folder = Path(sys.argv[1])
said = lock.enter(folder)
(folder / "locks").mkdir(exist_ok=True)
(folder / "locks" / "0.input.lock").write_text("mine")
print(said, flush=True)
input()
"""


@contextmanager
def call(folder):
    """A living process that has entered the folder and has taken Snakemake's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", CALL, str(folder)],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        process.said = process.stdout.readline().strip()
        yield process
        process.kill()


def killed(folder):
    """The id of a process that took Snakemake's lock and was killed."""
    with call(folder) as process:
        return process.pid


@pytest.fixture
def folder(tmp_path):
    return tmp_path / ".snakemake"


def locks(folder):
    return [path.read_text() for path in (folder / "locks").glob("*.lock")]


def test_the_lock_of_a_killed_call_is_removed_and_told(folder):
    process = killed(folder)
    assert locks(folder) == ["mine"]
    assert f"process {process}) was killed" in lock.enter(folder)
    assert locks(folder) == []


def test_the_lock_of_a_living_call_stays(folder):
    with call(folder):
        assert lock.enter(folder) == ""
        assert locks(folder) == ["mine"]


def test_a_call_that_entered_beside_another_counts_when_that_one_has_ended(folder):
    """The second call finds the first alive, and then the first is killed."""
    with call(folder) as first, call(folder) as second:
        assert second.said == ""
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert lock.enter(folder) == ""
        assert locks(folder) == ["mine"]


def test_of_two_calls_after_a_killed_one_the_second_leaves_the_lock_of_the_first(folder):
    killed(folder)
    with call(folder) as first:
        assert "was killed" in first.said
        assert lock.enter(folder) == ""
        assert locks(folder) == ["mine"]


def test_a_lock_that_a_call_on_another_host_may_have_stays(folder):
    killed(folder)
    with (folder / "calls").open("a") as calls:
        calls.write("elsewhere 123\n")
    said = lock.enter(folder)
    assert "a call on elsewhere" in said
    assert "snakemake --unlock" in said
    assert locks(folder) == ["mine"]


def test_a_lock_without_a_record_of_its_call_stays(folder):
    (folder / "locks").mkdir(parents=True)
    (folder / "locks" / "0.output.lock").write_text("of an older version")
    assert lock.enter(folder) == ""
    assert locks(folder) == ["of an older version"]


def test_a_file_system_without_locks_leaves_all_to_snakemake(folder, monkeypatch):
    killed(folder)

    def flock(*_):
        raise OSError("not supported")

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    assert lock.enter(folder) == ""
    assert locks(folder) == ["mine"]
