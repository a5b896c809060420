"""The numbers of a study do not depend on how its jobs were run. Each test runs real Snakemake."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

pytestmark = pytest.mark.workflow

NUMBERS = ("rd.csv", "rd_summary.csv", "neighbours.csv", "rd.parquet", "rd_summary.parquet")
SINGLE = {"training": {"pack": []}, "evaluation": {"pack": []}}


def numbers(checkout):
    """Bytes of the tables, and of the numbers of the figure."""
    results = checkout.path / "results/tests"
    tables = {name: (results / "tables/fig3" / name).read_bytes() for name in NUMBERS}
    return tables | {"fig3.csv": (results / "figures/fig3.csv").read_bytes()}


def forget_runs(checkout):
    """Remove all that was trained, and all that rests on it, also from the store."""
    for stage in ("training", "evaluation", "tables", "figures"):
        shutil.rmtree(checkout.path / "results" / stage)
    for record in checkout.path.glob("results/store/objects/*/*/record.json"):
        if json.loads(record.read_text())["stage"] not in ("datasets", "splits", "neighbours"):
            shutil.rmtree(record.parent)


@pytest.mark.long
def test_one_job_at_a_time_and_killed_in_between_gives_the_same_bytes(finished, checkout):
    """The other study packed its runs into two jobs, and was not disturbed."""
    expected = numbers(checkout)
    forget_runs(checkout)
    process = checkout.start(**SINGLE)
    while not list(checkout.path.glob("results/training/half/*/*/*/run.json")):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    # the last --cores counts
    done = subprocess.run(
        [*checkout.command(**SINGLE), "--cores", "1"], cwd=checkout.path, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    assert numbers(checkout) == expected


def test_sigterm_twice_ends_snakemake_at_any_moment(checkout):
    """As a batch system, `timeout` or `docker stop` sends it. The soak tries 50 moments."""
    dice = random.Random(2)
    process = checkout.start(training={"iterations": 10_000, "save_every": 0.1})
    time.sleep(dice.uniform(1, 6))
    os.killpg(process.pid, signal.SIGTERM)
    time.sleep(dice.uniform(0, 0.3))
    os.killpg(process.pid, signal.SIGTERM)
    text, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in text
