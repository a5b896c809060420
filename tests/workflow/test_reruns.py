"""What is computed again after a change, and what is not. Each test runs the real Snakemake."""

import os
import shutil
import signal
import time

import pandas as pd
import pytest

from .conftest import Checkout, make_checkout

pytestmark = pytest.mark.workflow

SINGLE = {"training": {"pack": []}, "evaluation": {"pack": []}}
RUNS = [f"half/mlp-1 beta={beta} seed={seed}" for beta in ("0.1", "1") for seed in (0, 1)]
TRAINING = {f"training {run}" for run in RUNS}
EVALUATION = {f"evaluation {run}" for run in RUNS}
DOWNSTREAM = EVALUATION | {"tables fig3", "figures fig3"}
EVERYTHING = TRAINING | DOWNSTREAM | {"datasets tiny", "splits half", "neighbours half"}
EVERYTHING |= {"figures fig1"}
RUN_STAGES = {"training", "evaluation", "tables", "figures"}
# put in front of the training adapter: code that no fingerprint covers
ADAPTER = "workflow/scripts/training.py"
FIRST_LINE = '"""Train the runs of one job, together."""\n'


def test_a_fresh_study_computes_everything_once(finished):
    checkout, outcome = finished
    assert outcome.computed == EVERYTHING
    assert not outcome.stored
    for name in ("fig1.pdf", "fig3.pdf", "fig3.png", "fig3.csv"):
        assert (checkout.path / "results/tests/figures" / name).is_file()
    assert (checkout.path / "results/tests/tables/fig3/rd_summary.csv").is_file()


def test_root_computes_what_its_study_lacks(checkout):
    if os.geteuid():
        pytest.skip("not root")
    root = Checkout(checkout.path, privileged=True)
    assert root.snakemake(seeds=[2], betas=[1]).stages_computed == RUN_STAGES
    assert root.snakemake().nothing


def test_nothing_changed(checkout):
    assert checkout.snakemake().nothing  # a fresh clone, without .snakemake
    assert checkout.snakemake().nothing  # and again, with it


def test_a_change_that_changes_no_number(checkout):
    """All of them together compute nothing, so each one computes nothing."""
    for path in (checkout.path / "src").rglob("*.py"):
        text = path.read_text("utf-8")
        path.write_text('"""Another docstring."""\n' + text[text.index('"""', 3) + 3 :] + "# end\n")
    checkout.edit("src/rdpipe/common/progress.py", "s left", "seconds to go")  # a line of a log
    checkout.append("src/rdpipe/common/errors.py", "\nEXTRA = 1\n")
    for path in checkout.path.rglob("*"):
        os.utime(path)
    assert checkout.snakemake().nothing
    assert checkout.snakemake(**SINGLE).nothing  # packed to single
    assert checkout.snakemake().nothing  # and back


def test_a_clock_that_was_set_back_stops_nothing(checkout):
    """All results are then from the future, and Snakemake fails jobs older than their inputs."""
    future = time.time() + 2 * 86400
    for path in checkout.path.glob("results/**/*"):
        os.utime(path, (future, future), follow_symlinks=False)
    outcome = checkout.snakemake(evaluation={"outer": 32})
    assert outcome.code == 0, outcome.text
    assert outcome.computed == DOWNSTREAM


GELU = '''"""Multilayer perceptrons with GELU."""

from rdpipe.vae.networks import mirrored


def build(arch, image_shape):
    """An encoder of `layers` hidden layers with `width` units each, and its mirror image."""
    hidden = arch["layers"] * [(arch["width"],)]
    return mirrored(image_shape, hidden, arch, gelu)


def gelu(h):
    """x Φ(x)."""
    from torch.nn.functional import gelu

    return gelu(h)
'''


@pytest.mark.long
def test_a_new_kind_of_architecture_computes_only_its_own_runs(checkout):
    """Two files: its module, and its settings."""
    (checkout.path / "src/rdpipe/vae/gelu_mlp.py").write_text(GELU, "utf-8")
    settings = "src/rdpipe/study/settings/archs.py"
    kind = 'class GeluMLP(_Arch):\n    kind: Literal["gelu_mlp"]\n    width: Count = 512\n\n\n'
    checkout.edit(
        settings, "Arch = Annotated[MLP | CNN,", kind + "Arch = Annotated[MLP | CNN | GeluMLP,"
    )
    assert checkout.snakemake().nothing
    arch = {"kind": "gelu_mlp", "layers": 1, "width": 8, "latent": 2}
    how = {"archs": {"gelu": arch}, "experiments": {"fig3": {"archs": ["mlp-1", "gelu"]}}}
    outcome = checkout.snakemake(**how)
    assert outcome.code == 0, outcome.text
    new = {title.replace("mlp-1", "gelu") for title in TRAINING | EVALUATION}
    assert outcome.computed == new | {"tables fig3", "figures fig3"}
    assert checkout.snakemake(**how).nothing


TRIVIAL = '''"""The number of images of each part."""

from rdpipe.diagnostics.runs import write_metrics

COLUMNS = ("images",)


def write_measure(folder, parts, *, run, model, seed):
    """Write the measure of one run."""
    write_metrics(folder, parts, COLUMNS, measure, run=run, model=model)


def measure(vae, parts, beta):
    """The column of each part."""
    return {part: {"images": float(len(images))} for part, images in parts.items()}
'''


def test_a_new_measure_computes_itself_alone(checkout):
    """Two files: its module, and its settings. Its table is made of what is there."""
    asked = {"splits": ["half"], "archs": ["mlp-1"], "diagnostics": ["active_units"]}
    how = {"experiments": {"asked": asked}, "targets": ["fig1", "fig3", "asked"]}
    assert checkout.snakemake(**how).computed == {"tables asked"} | {
        f"diagnostics active_units/{run}" for run in RUNS
    }
    (checkout.path / "src/rdpipe/diagnostics/trivial.py").write_text(TRIVIAL, "utf-8")
    settings = "src/rdpipe/study/settings/diagnostics.py"
    model = 'class Trivial(Model):\n    """Nothing."""\n\n\nclass Diagnostics(Model):'
    checkout.edit(settings, "class Diagnostics(Model):", model)
    checkout.edit(settings, "    seed: Seed", "    trivial: Trivial = Trivial()\n    seed: Seed")
    asked["diagnostics"].append("trivial")
    outcome = checkout.snakemake(**how)
    assert outcome.computed == {"tables asked"} | {f"diagnostics trivial/{run}" for run in RUNS}
    table = pd.read_csv(checkout.path / "results/tests/tables/asked/rd.csv")
    assert {"active_units", "images", "distortion"} <= {*table}
    assert {*table["images"]} == {128}
    assert checkout.snakemake(**how).nothing


def test_a_line_in_a_figure_module(checkout):
    checkout.append("src/rdpipe/figures/fig3.py", "\nEXTRA = 1\n")
    assert checkout.snakemake().computed == {"figures fig3"}


@pytest.mark.long
def test_a_line_in_the_training_engine_and_back_again(checkout):
    checkout.edit("src/rdpipe/training/engine.py", "beta2=0.999", "beta2=0.99")
    assert checkout.snakemake().computed == TRAINING | DOWNSTREAM
    checkout.edit("src/rdpipe/training/engine.py", "beta2=0.99", "beta2=0.999")
    assert checkout.snakemake().nothing


def test_the_generators_code_with_the_same_bytes_out(checkout):
    checkout.append("src/rdpipe/datasets/tetrominoes.py", "\nEXTRA = 1\n")
    outcome = checkout.snakemake()
    assert outcome.computed == {"datasets tiny"}
    assert outcome.stored == EVERYTHING - {"datasets tiny"}


@pytest.mark.long
@pytest.mark.parametrize("how", [{}, SINGLE], ids=["packed", "single"])
def test_a_beta_added_and_removed(checkout, how):
    outcome = checkout.snakemake(betas=[0.1, 1, 5], **how)
    new = {
        f"{stage} half/mlp-1 beta=5 seed={s}"
        for stage in ("training", "evaluation")
        for s in (0, 1)
    }
    assert outcome.computed == new | {"tables fig3", "figures fig3"}
    outcome = checkout.snakemake(betas=[0.1, 5], **how)
    assert outcome.computed == {"tables fig3", "figures fig3"}


@pytest.mark.long
def test_iterations_changed_and_changed_back(checkout, tmp_path):
    """The plain names show what their study is now; copied results do as well."""
    figure = checkout.path / "results/tests/figures/fig3.csv"
    before = figure.read_text()
    longer = {"training": {"iterations": 30}}
    assert checkout.snakemake(**longer).computed == TRAINING | DOWNSTREAM
    assert figure.read_text() != before
    other = checkout.snakemake(name="other", **longer)
    assert other.nothing
    assert "as before  results/other/figures/fig3.pdf .png .csv" in other.text
    copy = checkout.clone(tmp_path / "copy")
    assert copy.snakemake().nothing
    assert copy.snakemake(**longer).nothing
    assert checkout.snakemake().nothing
    assert figure.read_text() == before
    assert (checkout.path / "results/other/figures/fig3.csv").read_text() != before


@pytest.mark.long
def test_a_training_that_is_killed_after_a_setting_changed(checkout):
    """One run of four dies; the others are kept, and the next call does what is left."""
    die = "if 'beta-1_seed-1' in snakemake.log[0]: import os; os.kill(os.getpid(), 9)\n"
    checkout.edit(ADAPTER, FIRST_LINE, FIRST_LINE + die)
    how = {"training": {"iterations": 30, "pack": []}}
    outcome = checkout.snakemake(**how)
    victim = {"training half/mlp-1 beta=1 seed=1"}
    assert outcome.code != 0
    assert outcome.computed == TRAINING - victim
    checkout.edit(ADAPTER, die, "")
    assert checkout.snakemake(**how).computed == victim | DOWNSTREAM
    assert checkout.snakemake(**how).nothing


@pytest.mark.long
def test_a_packed_training_that_fails_half_way_loses_no_finished_run(checkout):
    fail = (
        "def half_way(train):\n"
        "    def fail(*arguments, **settings):\n"
        "        for item, write in train(*arguments, **settings):\n"
        "            if item.axes == {'beta': 1, 'seed': 0}: raise RuntimeError('half-way')\n"
        "            yield item, write\n"
        "    return fail\n"
    )
    checkout.edit(ADAPTER, FIRST_LINE, FIRST_LINE + fail)
    checkout.edit(ADAPTER, "return train_wanted(", "return half_way(train_wanted)(")
    longer = {"training": {"iterations": 30}}
    outcome = checkout.snakemake(**longer)
    assert outcome.code != 0
    assert "RuntimeError: half-way (see results/logs/training/" in outcome.text
    assert "failed     training half/mlp-1: RuntimeError: half-way (results/logs" in outcome.text
    assert "not made   results/tests/figures/fig3.pdf .png .csv; the result before" in outcome.text
    finished = {f"training half/mlp-1 beta=0.1 seed={seed}" for seed in (0, 1)}
    assert outcome.computed == finished
    checkout.edit(ADAPTER, "half_way(train_wanted)", "train_wanted")
    assert TRAINING - finished <= checkout.snakemake(**longer).computed
    assert checkout.snakemake(**longer).nothing


@pytest.mark.long
def test_snakemake_killed_in_mid_study(checkout):
    """SIGKILL to Snakemake and its jobs while the second of two trainings runs."""
    wait = (
        "if 'beta-1_seed-1' in snakemake.log[0]:\n"
        "    import time; open('reached', 'w').close(); time.sleep(600)\n"
    )
    checkout.edit(ADAPTER, FIRST_LINE, FIRST_LINE + wait)
    how = SINGLE | {"training": {"iterations": 30, "pack": []}, "betas": [1]}
    process = checkout.start(**how)
    wait_for(checkout.path / "reached")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    checkout.edit(ADAPTER, wait, "")
    before = objects(checkout)
    outcome = checkout.snakemake(**how)
    assert outcome.code == 0
    assert "training half/mlp-1 beta=1 seed=1" in outcome.computed
    # what had been finished is not even looked up; nothing was computed twice
    assert len(outcome.computed) == len(objects(checkout) - before)
    assert checkout.snakemake(**how).nothing


@pytest.mark.long
@pytest.mark.parametrize("links", [1, 3])
def test_everything_killed_while_a_result_is_published(checkout, links):
    """SIGKILL to Snakemake and its jobs when some or all links of a training have been set.

    Its outputs exist, or some do, but Snakemake has no record that the job ended.
    """
    kill = (
        "if 'beta-1_seed-1' in snakemake.log[0]:\n"
        "    import os, rdpipe.store.jobs, rdpipe.store.links\n"
        "    def publish(folder, links):\n"
        f"        rdpipe.store.links.publish(folder, dict(list(links.items())[:{links}]))\n"
        "        os.killpg(0, 9)\n"
        "    rdpipe.store.jobs.publish = publish\n"
    )
    checkout.edit(ADAPTER, FIRST_LINE, FIRST_LINE + kill)
    how = SINGLE | {"training": {"iterations": 30, "pack": []}, "betas": [1]}
    killed = checkout.start(**how)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    checkout.edit(ADAPTER, kill, "")
    before = objects(checkout)
    outcome = checkout.snakemake(**how)
    assert outcome.code == 0
    left = {"evaluation half/mlp-1 beta=1 seed=1", "tables fig3", "figures fig3"}
    assert left <= outcome.computed, outcome.text
    assert len(outcome.computed) == len(objects(checkout) - before)  # nothing twice
    again = checkout.snakemake(**how)
    assert again.nothing, again.text


def test_code_edited_while_the_study_runs(checkout):
    """The next job stops with a sentence, and nothing is stored under a wrong key."""
    edit = "open('src/rdpipe/vae/models.py', 'a').write('\\nEXTRA = 1\\n')\n"
    checkout.edit(ADAPTER, FIRST_LINE, FIRST_LINE + edit)
    before = objects(checkout)
    outcome = checkout.snakemake(training={"iterations": 30})
    assert outcome.code != 0
    assert "was edited after this workflow was started" in outcome.text
    assert objects(checkout) == before


@pytest.mark.long
def test_a_damaged_result_is_noticed_and_computed_again(checkout):
    model = next(checkout.path.glob("results/training/half/*/beta-1/seed-0/model.safetensors"))
    damaged = model.resolve()
    damaged.chmod(0o644)
    damaged.write_bytes(b"x")
    outcome = checkout.snakemake(evaluation={"outer": 32})
    assert outcome.code != 0
    assert "was damaged after it had been stored" in outcome.text
    outcome = checkout.snakemake(evaluation={"outer": 32})
    assert outcome.code == 0
    assert "training half/mlp-1 beta=1 seed=0" in outcome.computed


def test_a_forced_rule_does_not_keep_the_target_from_being_made(checkout):
    """Snakemake would rerun one rule, skip all others because inputs are ancient, and succeed."""
    for stage in ("evaluation", "tables", "figures"):
        shutil.rmtree(checkout.path / "results" / stage)
    outcome = checkout.snakemake("fig3", "-R", "datasets")
    assert outcome.code == 0, outcome.text
    assert not outcome.computed
    assert (checkout.path / "results/tests/figures/fig3.pdf").is_file()


def test_a_call_that_did_not_make_what_was_asked_for_fails(checkout):
    lost = "\nfrom pathlib import Path\nnext(Path('results/figures').glob('fig3-*.pdf')).unlink()\n"
    checkout.append("workflow/scripts/targets.py", lost)
    outcome = checkout.snakemake("fig3")
    assert outcome.code != 0
    assert "1 files that this call asked for were not made, such as results/figu" in outcome.text
    assert "Traceback" not in outcome.text


def test_a_target_computes_only_what_it_needs(tmp_path):
    checkout = make_checkout(tmp_path / "rdpipe")
    assert checkout.snakemake("fig1").computed == {"datasets tiny", "figures fig1"}


def test_a_configuration_with_a_fault_is_told_in_one_sentence(checkout):
    outcome = checkout.snakemake(experiments={"fig3": {"splits": ["haf"]}})
    assert outcome.code != 0
    assert (
        "experiments.fig3.splits[0]: there is no split 'haf'; did you mean 'half'?" in outcome.text
    )
    assert "Traceback" not in outcome.text
    outcome = checkout.snakemake("fgi3", "-n")
    assert outcome.code != 0
    assert "study tests has no target 'fgi3'; did you mean 'fig3'" in outcome.text


def test_an_address_of_another_study_is_not_computed(checkout):
    outcome = checkout.snakemake("results/splits/half-0123456789/train.npz")
    assert outcome.code != 0
    assert not outcome.computed


def objects(checkout):
    """Keys in the store."""
    return {path.name for path in checkout.path.glob("results/store/objects/*/*")}


def wait_for(path, seconds=120):
    """Wait until a file exists."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.1)
