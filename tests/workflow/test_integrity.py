"""Damage that is repaired, and results that are adopted after an edit. Each runs Snakemake."""

import os
import re
import subprocess
import sys

import pytest

from rdpipe.common.files import read_json

pytestmark = pytest.mark.workflow

RUNS = {f"half/mlp-1 beta={beta} seed={seed}" for beta in ("0.1", "1") for seed in (0, 1)}
TRAININGS = {f"training {run}" for run in RUNS}


def rdpipe(checkout, *arguments):
    """Call the command with the code of a checkout, in its folder."""
    call = "from rdpipe.cli import app; app()"
    return subprocess.run(
        [sys.executable, "-c", call, *arguments, "config/tests.yaml", "overlay.yaml"],
        cwd=checkout.path,
        env={**os.environ, "PYTHONPATH": str(checkout.path / "src")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )


def test_repaired_damage_is_computed_again_and_nothing_else(checkout):
    (checkout.path / "overlay.yaml").write_text("{}")
    results = checkout.path / "results"
    (model,) = results.glob("training/half/mlp-1-*/beta-1/seed-0/model.safetensors")
    figure = results / "tests/figures/fig1.csv"
    before = {path: path.read_bytes() for path in (model, figure)}
    for path in before:
        path.resolve().chmod(0o644)
        path.resolve().write_bytes(path.read_bytes()[:-1])
    done = rdpipe(checkout, "verify", "--repair")
    assert done.returncode == 4, done.stdout
    assert done.stdout.count("has other bytes than record.json says") == 2
    assert done.stdout.count("set aside") == 2
    outcome = checkout.snakemake()
    assert outcome.computed == {"training half/mlp-1 beta=1 seed=0", "figures fig1"}, outcome.text
    assert {path: path.read_bytes() for path in before} == before
    assert rdpipe(checkout, "verify").returncode == 0
    assert checkout.snakemake().nothing


@pytest.mark.long
def test_results_are_adopted_after_a_neutral_edit_and_by_no_other(checkout):
    (checkout.path / "overlay.yaml").write_text("{}")
    before = objects(checkout)
    engine = "src/rdpipe/training/engine.py"
    checkout.edit(engine, "beta2=0.999", "beta2=0.99")
    done = rdpipe(checkout, "adopt", "training", "--sample", "1")
    assert done.returncode == 1
    assert re.search(r"results/training/half/mlp-1-\w+/beta-\S+/seed-\d/run.json: ", done.stdout)
    assert "differs from that of" in done.stdout
    assert objects(checkout) == before

    checkout.edit(engine, "beta2=0.99", "beta2=999 / 1000")
    done = rdpipe(checkout, "adopt", "training", "--sample", "2")
    assert done.returncode == 0, done.stdout
    assert "2 results are equal, so 4 are adopted" in done.stdout
    adopted = {folder: read_json(folder / "record.json") for folder in objects(checkout) - before}
    outcome = checkout.snakemake()
    assert outcome.stored >= TRAININGS
    assert not outcome.computed, outcome.text
    assert len(adopted) == 4
    for folder, record in adopted.items():
        key = record["adopted"]["key"]
        old = read_json(folder.parents[1] / key[:2] / key / "record.json")
        assert record["adopted"]["code"] == old["code"] != record["code"]
        assert record["adopted"]["compared"] == 2
        assert record["files"] == old["files"]


def test_without_older_results_nothing_is_adopted(checkout):
    (checkout.path / "overlay.yaml").write_text("{}")
    done = rdpipe(checkout, "adopt", "training")
    assert done.returncode == 1
    assert "no results of training by older code" in done.stdout


def objects(checkout):
    return set(checkout.path.glob("results/store/objects/*/*"))
