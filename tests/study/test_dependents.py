"""What rests on a lost result: links that must go so that snakemake computes the result again."""

from pathlib import Path

import pytest
import yaml

from rdpipe.study.dependents import links_that_rest_on
from rdpipe.study.plan import Plan
from rdpipe.study.reading import merge, read_study
from tests import ROOT


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """The plan of the tests' study, and a link for one file of each result."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    merge(config, yaml.safe_load((ROOT / "config/tests.yaml").read_text("utf-8")))
    plan = Plan(read_study(config))
    monkeypatch.chdir(tmp_path)
    runs = plan.runs(tuple(plan.values), {})
    for path in [
        plan.datasets["tiny"].file("images.npz"),
        plan.splits["half"].file("train.npz"),
        plan.neighbours["half"].file("distances.parquet"),
        *plan.training["half/mlp-1"].files("run.json", runs),
        *plan.evaluation["half/mlp-1"].files("metrics.parquet", runs),
        plan.tables["fig3"].file("rd.parquet"),
        *plan.target_files(["fig1", "fig3"]),
    ]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if not Path(path).is_symlink():
            Path(path).symlink_to("object")
    return plan


def names(plan, lost):
    """Stages and runs of links that rest on some lost paths."""
    found = links_that_rest_on(plan, [Path(path) for path in lost])
    stages = [(path.parts[1], *path.parts[4:-1]) for path in found]
    return {" ".join(stage) for stage in stages}


def test_only_the_same_run_and_what_collects_runs_rest_on_a_training(plan):
    run = {"beta": 1.0, "seed": 0}
    lost = plan.training["half/mlp-1"].files("run.json", [run])
    assert names(plan, lost) == {"evaluation beta-1 seed-0", "tables", "figures"}


def test_figures_rest_on_their_own_inputs_alone(plan):
    lost = [plan.tables["fig3"].file("rd.parquet")]
    found = links_that_rest_on(plan, [Path(path) for path in lost])
    assert {path.name.partition("-")[0] for path in found} == {"fig3"}


def test_everything_rests_on_the_dataset(plan):
    lost = [plan.datasets["tiny"].file("images.npz")]
    stages = {name.split()[0] for name in names(plan, lost)}
    assert stages == {"splits", "neighbours", "training", "evaluation", "tables", "figures"}
    assert len(names(plan, lost)) == 4 + 2 * 4


def test_nothing_rests_on_a_figure_or_on_results_of_another_study(plan):
    figure = [f"results/figures/{plan.figures['fig3'].address}.pdf"]
    assert not names(plan, figure)
    assert not names(plan, ["results/training/half/mlp-1-0123456789/beta-1/seed-0/run.json"])
