"""The tiny study through profiles/slurm on a real SLURM of one node: `make test-slurm`.

Trainings are slowed down until there is time to cut them off, drain their node, cancel and preempt
them. Whatever happens to them, the numbers must be those of a study that nothing happened to.
"""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
import yaml

from ..workflow.conftest import Checkout, make_checkout
from .node import node_state, one_node, slurm, wait_until

if "TEST_SLURM" not in os.environ:
    pytest.skip("starts a SLURM on this machine: make test-slurm", allow_module_level=True)

OVERLAY = {
    "archs": {"mlp-2": {"kind": "mlp", "layers": 2, "width": 8, "latent": 2}},
    "experiments": {"fig3": {"splits": ["half"], "archs": ["mlp-1", "mlp-2"]}},
    "training": {"iterations": 300, "history_every": 10, "save_every": 10_000},
}
ADAPTER = "workflow/scripts/training.py"
FIRST_LINE = '"""Train the runs of one job, together."""\n'
# Put in front of it: tells of each try's GPU, keeps its log, which the next would replace, and lets
# ten iterations last four seconds.
RECORD = """
import atexit, os, pathlib, time
tries = pathlib.Path("tries"); tries.mkdir(exist_ok=True)
this = (tries / f"{time.time()}-{os.getpid()}").open("w", buffering=1)
print("GPU", os.environ.get("CUDA_VISIBLE_DEVICES"), file=this)
atexit.register(lambda: this.write(pathlib.Path(snakemake.log[0]).read_text()))
def slowly_stopping():
    time.sleep(4)
    stopping = job.stopping()
    print("asked", file=this)
    return stopping
"""
STOP = "job.stopping"
# Snakemake, but asking SLURM every few seconds, which the plugin does ever more rarely.
SNAKEMAKE = """
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
RemoteExecutor.next_seconds_between_status_checks = property(lambda _: 5, lambda *_: None)
main()
"""
NO_ACCOUNTS = ["--slurm-status-command", "squeue"]  # as this SLURM keeps none


@dataclass
class Story:
    """What was seen while the study ran on the cluster, and what it ended with."""

    arrays: str = ""
    gpus: set[str] = field(default_factory=set)
    tries: list[str] = field(default_factory=list)
    code: int = -1
    text: str = ""
    numbers: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def node():
    """A SLURM of one node, by the node's name."""
    with one_node() as name:
        yield name


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A checkout with the split, from which trainings start."""
    checkout = make_checkout(tmp_path_factory.mktemp("prepared") / "rdpipe", privileged=True)
    assert checkout.snakemake("fig3", "--until", "splits", **OVERLAY).code == 0
    return checkout


@pytest.fixture(scope="module")
def undisturbed(prepared, tmp_path_factory):
    """The numbers of the study without SLURM, where nothing ends a training."""
    checkout = prepared.clone(tmp_path_factory.mktemp("undisturbed") / "rdpipe")
    outcome = checkout.snakemake("fig3", **OVERLAY)
    assert outcome.code == 0, outcome.text
    return numbers(checkout)


@pytest.fixture(scope="module")
def story(node, prepared, tmp_path_factory):
    """The study on the cluster, where much happens to its two trainings."""
    checkout = prepared.clone(tmp_path_factory.mktemp("story") / "rdpipe")
    checkout.edit(ADAPTER, STOP, "slowly_stopping")
    checkout.edit(ADAPTER, FIRST_LINE, FIRST_LINE + RECORD)
    seen = Story()
    output = checkout.path / "output.txt"
    with output.open("w") as file:
        limit = "training:runtime=1"  # the shortest that SLURM knows
        command = on_slurm(checkout, "--set-resources", limit, **OVERLAY)
        process = subprocess.Popen(command, cwd=checkout.path, stdout=file, stderr=file)
        wait_until(lambda: going_on(checkout, 2), "both trainings")
        seen.arrays = slurm("squeue", "--noheader", "--states=R", "--format=%F %K")
        seen.gpus = {text.splitlines()[0] for text in tries(checkout)}

        # drained, it goes on with what it has, until their limit ends them; retries have to wait
        slurm("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
        wait_until(lambda: output.read_text().count("Trying to restart") == 2, "two retries")
        wait_until(lambda: node_state().startswith("drained"), "an empty node")
        slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
        wait_until(lambda: going_on(checkout, 4), "both trainings to go on")

        slurm("scancel", slurm("squeue", "--noheader", "--states=R", "--format=%i").split()[0])
        wait_until(lambda: going_on(checkout, 5), "the cancelled one to go on")

        # what is more urgent takes both GPUs
        slurm("sbatch", "--partition=urgent", "--gpus=2", "--output=/dev/null", "--wrap=sleep 2")
        wait_until(lambda: len(tries(checkout)) == 7, "both to be tried again")
        seen.code = process.wait(300)
    seen.tries = tries(checkout)
    seen.text, seen.numbers = output.read_text(), numbers(checkout)
    seen.text += "".join(path.read_text() for path in checkout.path.glob("results/logs/**/*.log"))
    return seen


def test_the_study_completes_with_the_numbers_of_an_undisturbed_one(story, undisturbed):
    assert story.code == 0, story.text
    assert len(undisturbed) == 9  # models of four runs of two architectures, and a table
    assert story.numbers == undisturbed


def test_trainings_are_submitted_as_an_array(story):
    jobs = [line.split() for line in story.arrays.splitlines()]
    assert len({array for array, _ in jobs}) == 1
    assert sorted(task for _, task in jobs) == ["1", "2"]
    assert "Submitted array job" in story.text


def test_tables_and_figures_are_made_on_the_spot(story):
    assert story.text.count("localrule tables:") == story.text.count("localrule figures:") == 1


def test_jobs_at_a_time_see_different_gpus(story):
    assert story.gpus == {"GPU 0", "GPU 1"}


def test_whatever_ends_a_training_it_is_saved_and_goes_on(story):
    """Both by their limit (once or twice) and by a job more urgent, one by scancel."""
    saved = sum("which are saved" in text for text in story.tries)
    assert saved == sum("goes on from iteration" in text for text in story.tries), story.tries
    assert saved >= 5
    assert story.text.count("'TIMEOUT'") >= 2
    assert story.text.count("'CANCELLED'") == 1
    # SLURM itself put back into the queue what it preempted
    assert len(story.tries) == 2 + story.text.count("Trying to restart") + 2


def test_an_unknown_partition_is_told_in_one_sentence(node, prepared):
    partition = ["--default-resources", "slurm_partition=gpus"]
    told = run(on_slurm(prepared, *partition, **OVERLAY), prepared)
    assert "SLURM has no partition 'gpus', only main, urgent; mend slurm_partition" in told
    assert "Traceback" not in told


def test_a_slurm_without_accounts_is_told_in_one_sentence(node, prepared):
    command = [part for part in on_slurm(prepared, **OVERLAY) if part not in NO_ACCOUNTS]
    told = run(command, prepared)
    assert "where SLURM keeps no accounts, add 'slurm-status-command: squeue'" in told
    assert "Traceback" not in told


def on_slurm(checkout: Checkout, *arguments: str, **settings: object) -> list[str]:
    """The command line that runs Figure 3 of the tests' study on the cluster."""
    overlay = checkout.path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump(settings))
    call = [sys.executable, "-c", SNAKEMAKE, "fig3", "--workflow-profile", "profiles/slurm"]
    configs = ["--configfile", "config/tests.yaml", str(overlay)]
    return [*call, *configs, *NO_ACCOUNTS, *arguments]


def run(command: list[str], checkout: Checkout) -> str:
    """What a call says that must fail."""
    done = subprocess.run(
        command,
        cwd=checkout.path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    assert done.returncode != 0
    return done.stdout


def tries(checkout: Checkout) -> list[str]:
    """What each try of a training left."""
    return [path.read_text() for path in checkout.path.glob("tries/*")]


def going_on(checkout: Checkout, count: int) -> bool:
    """Whether so many tries have begun, and all trainings have been asked whether to stop."""
    texts = tries(checkout)
    return len(texts) == count and all("asked" in text for text in texts)


def numbers(checkout: Checkout) -> dict[str, str]:
    """Digests of all models, and of the table of Figure 3."""
    results = checkout.path / "results"
    models = sorted(results.glob("training/*/*/*/*/model.safetensors"))
    files = [*models, results / "tests/tables/fig3/rd.csv"]
    return {
        str(file.relative_to(results)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.exists()
    }
