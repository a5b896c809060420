"""Leases of devices, by real processes on faked lists of them."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import filelock
import pytest
import torch

from rdpipe.common import devices

# A torch without GPUs; the real one takes a second to import.
TORCH = """
import sys, types
no_gpu = types.SimpleNamespace(is_available=lambda: False)
sys.modules["torch"] = types.SimpleNamespace(cuda=no_gpu, device=lambda name: [name])
"""
# Takes a lease, writes what it has, and ends when its input does.
HOLDER = f"""{TORCH}
import logging, os
from pathlib import Path
import filelock
from rdpipe.common import devices
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
devices.LOCKS, devices.POLL, user = Path(sys.argv[1]), 0.02, int(sys.argv[2])
os.umask(0o077)
os.setreuid(user, user)  # -1 for who it is
assert devices.choose() is devices.choose()
print("has", os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""
# Takes a lease, marks the device as in use for a moment, and fails if it already is.
WORKER = f"""{TORCH}
import os, time
from pathlib import Path
from rdpipe.common import devices
devices.LOCKS, devices.POLL, marks = Path(sys.argv[1]), 0.02, Path(sys.argv[2])
devices.choose()
mark = marks / os.environ["CUDA_VISIBLE_DEVICES"]
mark.mkdir()
time.sleep(0.3)
mark.rmdir()
"""
UUIDS = ("GPU-aa10", "GPU-aa20", "GPU-bb30")


@pytest.fixture
def locks(tmp_path, monkeypatch):
    """A folder for locks, on a machine without nvidia-smi."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "locks"


@pytest.fixture
def nvidia_smi(locks):
    """The same machine with an nvidia-smi that knows `UUIDS`."""
    program = locks.parent / "nvidia-smi"
    table = "\\n".join(f"{i}, {uuid}" for i, uuid in enumerate(UUIDS))
    program.write_text(f"#!/bin/sh\nprintf '{table}\\n'\n")
    program.chmod(0o755)


def start(code, visible, *arguments):
    """A process that sees some devices."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": visible},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def holders(locks, *lists, user=-1):
    """Processes that take a lease each, from a list of visible devices each, and hold it."""
    processes = [start(HOLDER, visible, locks, user) for visible in lists]
    try:
        yield processes
    finally:
        for process in processes:
            process.communicate()


def line(process, start):
    """The rest of the first line of a holder's output that starts so; its last is what it has."""
    for text in process.stdout:
        if text.startswith(start):
            return text.removeprefix(start).strip()
        if text.startswith("has "):
            break
    pytest.fail(f"the process did not write {start!r}")


def test_four_jobs_on_four_devices_have_four_different_ones(locks):
    with holders(locks, *4 * ["0,1,2,3"]) as jobs:
        assert sorted(line(job, "has ") for job in jobs) == ["0", "1", "2", "3"]


def test_eight_jobs_on_four_devices_never_share_one(locks, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    jobs = [start(WORKER, "0,1,2,3", locks, marks) for _ in range(8)]
    for job in jobs:
        job.communicate(timeout=120)
    assert [job.returncode for job in jobs] == 8 * [0]


def test_a_job_waits_and_says_so_until_another_is_killed(locks):
    with holders(locks, "0,1", "0,1") as first:
        had = {line(job, "has "): job for job in first}
        with holders(locks, "0,1") as (waiting,):
            assert line(waiting, "waiting for a GPU: all of 0, 1 are in use")
            had["1"].send_signal(signal.SIGKILL)
            assert line(waiting, "has ") == "1"


@pytest.mark.usefixtures("nvidia_smi")
def test_indices_and_uuids_of_one_device_collide(locks):
    with holders(locks, "0,2") as (by_index,):
        assert line(by_index, "has ") == "GPU-aa10"
        with holders(locks, "GPU-aa1,GPU-bb30") as (by_uuid,):
            assert line(by_uuid, "has ") == "GPU-bb30"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as two users")
def test_the_locks_of_one_user_do_not_stop_another():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        locks = Path(folder, "locks")
        with holders(locks, "0,1") as (mine,):
            assert line(mine, "has ") == "0"
            with holders(locks, "0,1", user=65534) as (theirs,):
                assert line(theirs, "has ") == "1"
        with holders(locks, "0,1", user=65534) as (theirs,):
            assert line(theirs, "has ") == "0"


@pytest.mark.parametrize("visible", ["0", "", "GPU-aa10"])
def test_one_device_or_none_needs_no_lock(locks, visible):
    code = WORKER.partition("mark =")[0] + "assert 'filelock' not in sys.modules"
    job = start(code, visible, locks, locks)
    job.communicate()
    assert job.returncode == 0
    assert not locks.exists()


def test_locks_that_cannot_be_kept_end_in_a_sentence(locks, monkeypatch):
    locks.write_text("no folder")
    monkeypatch.setattr(devices, "LOCKS", locks)
    with pytest.raises(devices.RdpipeError, match=r"cannot be locked there .*; have its owner"):
        devices._lease(("0", "1"))


@pytest.mark.parametrize(
    ("listed", "seen"),
    [
        ("3,1", "3 1"),
        (" 0, 1 ", "0 1"),
        ("", ""),
        ("-1", ""),
        ("NoDevFiles", ""),
        ("0,1,-1,2", "0 1"),
        ("0,,1", "0"),
        ("0,../1", "0"),
        ("0,1,0", ""),
        ("MIG-1/2,MIG-GPU-aa/1/0", "MIG-1/2 MIG-GPU-aa/1/0"),
    ],
)
@pytest.mark.usefixtures("locks")
def test_visible_devices_without_nvidia_smi(listed, seen, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert devices.visible_devices() == seen.split()


@pytest.mark.parametrize(
    ("listed", "seen"),
    [
        ("2,0", "GPU-bb30 GPU-aa10"),
        ("1,3,0", "GPU-aa20"),
        ("GPU-bb30,GPU-aa2", "GPU-bb30 GPU-aa20"),
        ("GPU-bb,GPU-aa,GPU-aa10", "GPU-bb30"),  # the second could be either of two
        ("0,GPU-aa10", ""),
        ("GPU-cc,0", ""),
        ("MIG-1,MIG-2", "MIG-1 MIG-2"),
    ],
)
@pytest.mark.usefixtures("nvidia_smi")
def test_visible_devices_are_named_by_uuid(listed, seen, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert devices.visible_devices() == seen.split()


@pytest.mark.usefixtures("nvidia_smi")
def test_all_devices_are_visible_where_none_are_listed(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.visible_devices() == list(UUIDS[:2])


def test_nvidia_smi_that_fails_is_done_without(locks, monkeypatch):
    program = locks.parent / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVML: Driver/library version mismatch'; exit 18\n")
    program.chmod(0o755)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert devices.visible_devices() == ["0", "1"]


def test_the_leased_device_is_taken_where_counting_has_started_cuda(locks, monkeypatch):
    monkeypatch.setattr(devices, "LOCKS", locks)
    monkeypatch.setattr(devices, "visible_devices", lambda: ["0", "1"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # which the lease then sets
    taken = []
    for name, stand_in in {
        "is_available": lambda: True, "device_count": lambda: 2, "set_device": taken.append,
        "get_device_name": lambda: "a GPU",
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, stand_in)
    locks.mkdir()
    with filelock.FileLock(locks / "0"):  # another job's
        assert devices.choose.__wrapped__() == torch.device("cuda")
    assert taken == [1]
    devices._lease.cache_clear()


def test_the_folder_of_locks_is_for_all_users(locks, monkeypatch):
    monkeypatch.setattr(devices, "LOCKS", locks)
    leased, lock = devices._lease.__wrapped__(("0", "MIG-1/2"))
    assert leased == "0"
    assert re.search("1777$", oct(locks.stat().st_mode))
    assert re.search("666$", oct((locks / "0").stat().st_mode))
    lock.release()
