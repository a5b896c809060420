"""A training that is told to end goes on from where it was. Runs the real Snakemake."""

import os
import signal
import subprocess
import time

import pytest

from .test_reruns import TRAINING

pytestmark = pytest.mark.workflow

LONG = {"iterations": 1500, "save_every": 0.1}


def interrupted(checkout, number):
    """What is printed if a signal comes twice to Snakemake and its job, after a state was saved."""
    process = subprocess.Popen(
        checkout.command(training=LONG),
        cwd=checkout.path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    states = checkout.path / "results/store/state"
    while not list(states.glob("*.safetensors")) and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, number)
    os.killpg(process.pid, number)
    text, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    return text


def test_a_training_that_is_told_to_end_ends_with_the_numbers_of_another(checkout, tmp_path):
    """SIGTERM to Snakemake and its job at once, and twice, as a batch system may send it."""
    other = checkout.clone(tmp_path / "other")
    text = interrupted(checkout, signal.SIGTERM)
    assert "training half/mlp-1: stopped after" in text
    assert "Traceback" not in text

    outcome = checkout.snakemake(training=LONG)
    assert outcome.computed >= TRAINING
    assert "training goes on from iteration" in outcome.text
    assert not list((checkout.path / "results/store/state").iterdir())
    assert other.snakemake(training=LONG).code == 0
    one, two = (c.path / "results/tables/fig3/rd.csv" for c in (checkout, other))
    assert one.read_text() == two.read_text()


def test_ctrl_c_saves_the_state_of_a_training(checkout):
    """The terminal sends SIGINT to Snakemake and its job; people press Ctrl-C twice."""
    text = interrupted(checkout, signal.SIGINT)
    assert "training half/mlp-1: stopped after" in text
    assert "Traceback" not in text
    outcome = checkout.snakemake(training=LONG)
    assert "training goes on from iteration" in outcome.text
