"""Several devices on one machine, shared by the jobs of a real Snakemake."""

import re
import subprocess
from datetime import datetime
from itertools import pairwise

import pytest

from .conftest import Outcome, make_checkout

pytestmark = pytest.mark.workflow

LEASE = re.compile(r"device (\S+) of 0, 1, 2, 3 is leased")
TRAINING = "    wanted = by_run("
# put into the training adapter: its four jobs hold their leases at the same time
TOGETHER = """
    import os, pathlib, time
    from rdpipe.common import devices
    devices.choose()
    pathlib.Path(f"leased-{os.getpid()}").touch()
    while len(list(pathlib.Path().glob("leased-*"))) < 4:
        time.sleep(0.1)
"""


@pytest.mark.long
def test_jobs_compute_on_different_devices(tmp_path, monkeypatch):
    checkout = make_checkout(tmp_path / "rdpipe")  # the lock of devices is in no fingerprint
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    without_nvidia_smi(tmp_path / "bin", monkeypatch)
    checkout.edit("src/rdpipe/common/devices.py", '"/tmp/rdpipe-devices"', f'"{tmp_path}/locks"')
    checkout.edit("workflow/scripts/training.py", TRAINING, TOGETHER + TRAINING)
    single = {"training": {"pack": []}, "evaluation": {"pack": []}}
    call = checkout.command("--resources", "gpu=4", **single)
    done = subprocess.run(
        [*call, "--cores", "8"], cwd=checkout.path, text=True, capture_output=True, timeout=300
    )
    outcome = Outcome(done.returncode, done.stdout + done.stderr)
    assert outcome.code == 0, outcome.text
    assert {"training", "evaluation", "neighbours"} <= outcome.stages_computed
    training = leases(checkout, "training")
    assert sorted(device for device, _, _ in training) == ["0", "1", "2", "3"]
    everything = training + leases(checkout, "evaluation") + leases(checkout, "neighbours")
    assert len(everything) == 4 + 4 + 1
    assert not overlaps(everything)


def without_nvidia_smi(folder, monkeypatch):
    """Make nvidia-smi fail, if there is one."""
    folder.mkdir()
    (folder / "nvidia-smi").write_text("#!/bin/sh\nexit 1\n")
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def leases(checkout, stage):
    """Device, first and last time of each lease, as the logs of a stage's jobs have them."""
    found = []
    for log in (checkout.path / "results/logs" / stage).rglob("*.log"):
        lines = [line.split(" ", 2) for line in log.read_text("utf-8").splitlines()]
        times = [datetime.fromisoformat(f"{day} {time}") for day, time, _ in lines]
        found += [
            (lease[1], time, times[-1])
            for (_, _, text), time in zip(lines, times, strict=True)
            if (lease := LEASE.search(text))
        ]
    return found


def overlaps(leases):
    """Pairs of leases of one device of which the second began before the first ended."""
    ordered = sorted(leases)
    return [
        (first, second)
        for first, second in pairwise(ordered)
        if first[0] == second[0] and second[1] < first[2]
    ]
