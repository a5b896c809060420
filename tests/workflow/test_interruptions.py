"""A training that is told to end goes on from where it was. Runs the real Snakemake."""

import os
import signal
import time
from contextlib import suppress

import pytest

from .test_reruns import TRAINING

pytestmark = pytest.mark.workflow

LONG = {"iterations": 600, "save_every": 0.2}


def saved(checkout):
    """When the newest state was saved, in ns; 0 if there is none."""
    newest = 0
    for path in checkout.path.glob("results/store/state/*.safetensors"):
        with suppress(FileNotFoundError):  # another one has just taken its place
            newest = max(newest, path.stat().st_mtime_ns)
    return newest


def parameters(checkout):
    """The bytes of all trained models, of the tests' study and of the longer one."""
    folder = checkout.path / "results/training"
    return {str(path.relative_to(folder)): path.read_bytes() for path in
            folder.glob("half/*/*/*/model.safetensors")}  # fmt: skip


def interrupt(checkout, number):
    """Send signals to Snakemake and its job, after a state was saved; what is printed."""
    before = saved(checkout)
    process = checkout.start(training=LONG)
    while saved(checkout) == before and process.poll() is None:
        time.sleep(0.05)
    for pause in (0, 0.1, 0.1, 0.1):  # at once, and while they end
        os.killpg(process.pid, number)
        os.killpg(process.pid, number)
        time.sleep(pause)
    text, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "training half/mlp-1: stopped after" in text
    assert "Traceback" not in text
    return text


@pytest.mark.long
def test_a_training_that_is_told_to_end_ends_with_the_numbers_of_another(checkout, tmp_path):
    """SIGTERM to Snakemake and its job at once, as a batch system sends it; then Ctrl-C."""
    other = checkout.clone(tmp_path / "other")
    interrupt(checkout, signal.SIGTERM)
    assert "training goes on from iteration" in interrupt(checkout, signal.SIGINT)

    outcome = checkout.snakemake("--until", "training", training=LONG)
    assert outcome.computed == TRAINING
    assert "training goes on from iteration" in outcome.text
    assert not list((checkout.path / "results/store/state").iterdir())
    assert other.snakemake("--until", "training", training=LONG).computed == TRAINING
    one, two = (parameters(each) for each in (checkout, other))
    assert len(one) > len(TRAINING)
    assert one == two
