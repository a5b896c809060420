"""The order of Snakemake's arguments: a target behind an option that takes a list."""

import subprocess
import sys

import pytest

from snakemake_logger_plugin_rdpipe import fault
from tests import ROOT


@pytest.mark.parametrize(
    ("given", "option", "better"),
    [
        (
            "--cores 8 --resources gpu=4 fig3",
            "--resources",
            "fig3 --cores 8 --resources gpu=4",
        ),
        ("--configfile config.yaml fig3", "--configfile", "fig3 --configfile config.yaml"),
        ("-n -q fig3", "-q", "fig3 -n -q"),
        ("-q rules fig3 -n", "-q", "fig3 -q rules -n"),
        ("--config a=1 fig3 --cores 2", "--config", "fig3 --config a=1 --cores 2"),
        ("--set-threads training=2 fig3", "--set-threads", "fig3 --set-threads training=2"),
    ],
)
def test_a_target_behind_a_list_is_told_with_the_right_order(given, option, better):
    said = fault(given.split())
    assert said.startswith(f"{option} takes a list of ")
    assert said.endswith(
        f"'fig3' is none of these. If it is a target, write it first: snakemake {better}"
    )


@pytest.mark.parametrize(
    "given",
    [
        "fig3 --cores 8 --resources gpu=4",
        "--resources gpu=4 --cores 8 fig3",
        "--resources=gpu=4 fig3",
        "--configfile config/demo.yaml mine.yaml -n",
        "--configfile config/demo.yaml -- fig3",
        "-n -q rules progress",
        "-q",
        "--default-resources mem_mb=1000 runtime=5 --jobs 3",
        "--set-resources base64//dHJhaW5pbmc6bWVtX21iPTE= base64//dHJh -n",
        "",
    ],
)
def test_arguments_in_order_are_left_to_snakemake(given):
    assert not fault(given.split())


@pytest.mark.workflow
def test_snakemake_ends_with_the_sentence():
    call = [sys.executable, "-m", "snakemake", "--cores", "8", "--resources", "gpu=4", "fig3"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().endswith(
        "write it first: snakemake fig3 --cores 8 --resources gpu=4"
    )
    assert len(done.stderr.strip().splitlines()) == 1
