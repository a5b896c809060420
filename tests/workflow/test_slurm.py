"""The SLURM profile where there is no SLURM. Where there is: tests/slurm."""

import os
import shutil
import subprocess
import sys

import pytest

from .conftest import make_checkout

pytestmark = pytest.mark.workflow

PROFILE = ["--workflow-profile", "profiles/slurm", "--configfile", "config/tests.yaml"]
NEEDED = ("bash", "sh", "which")  # by Snakemake and its plugin


def run(checkout, *arguments, **environment):
    """Run Snakemake with the profile."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments, *PROFILE],
        cwd=checkout.path,
        env=os.environ | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )


def test_no_slurm_on_the_path_is_told_in_one_sentence(tmp_path):
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in NEEDED:
        (commands / name).symlink_to(shutil.which(name))
    checkout = make_checkout(tmp_path / "rdpipe")
    done = run(checkout, PATH=str(commands))
    assert done.returncode != 0
    assert "SLURM's commands are not on the PATH" in done.stdout
    assert "Traceback" not in done.stdout
    # nothing was tried, and the next call finds no lock
    assert "Error in rule" not in done.stdout
    assert run(checkout, "--dry-run").returncode == 0


def test_the_profile_packs_runs(tmp_path):
    done = run(make_checkout(tmp_path / "rdpipe"), "--dry-run")
    assert done.returncode == 0, done.stdout
    rules = done.stdout.splitlines()
    assert rules.count("rule training:") == rules.count("rule evaluation:") == 1
