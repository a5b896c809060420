"""Addresses: what changes them, what does not, and what a target comprises."""

import re

import pytest
import yaml

from rdpipe.common.errors import RdpipeError
from rdpipe.study.plan import address_pattern
from rdpipe.study.settings.study import STAGES
from tests import ROOT
from tests.study._changes import changed_plan

PAPER = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


def plan(**changes):
    """The plan of the paper's study with some settings changed, keys written with dots."""
    return changed_plan(PAPER, changes)


def changed(**changes):
    """Stages in which some address differs from the paper's study."""
    before, after = plan(), plan(**changes)
    return {
        stage for stage in STAGES if set(before.addresses(stage)) != set(after.addresses(stage))
    }


BASE = {"training", "evaluation", "tables", "figures"}
RUNS = BASE | {"diagnostics"}


@pytest.mark.parametrize(
    ("setting", "value", "stages"),
    [
        ("datasets.tetrominoes.seed", 1, set(STAGES)),
        ("downloads", "/elsewhere", set()),
        ("archs.cnn-3.dense", 256, BASE),
        ("archs.mlp-1-stopped.early_stopping", 0.2, BASE),
        ("splits.cv-16k.seed", 1, {"splits", "neighbours", *RUNS}),
        ("archs.mlp-1.width", 256, RUNS),
        ("training.iterations", 1000, RUNS),
        ("training.precision", "float64", RUNS),
        ("evaluation.outer", 2048, BASE - {"training"}),
        ("betas", [0.1, 1], {"tables", "figures"}),
        ("seeds", [0], {"tables", "figures"}),
        ("training.pack", ["beta", "seed"], set()),
        ("training.threads", 8, set()),
        ("training.save_every", 10, set()),
        ("evaluation.pack", ["seed"], set()),
        ("diagnostics.active_units", {"threshold": 0.1}, set()),  # which no experiment asks for
        (
            "diagnostics.decoder_memorization",
            {"images": 10},
            {"diagnostics", "tables", "figures"},
        ),
        ("diagnostics.pack", ["seed"], set()),
        ("store", "results/elsewhere", set()),
        ("targets", ["fig1"], set()),
        ("name", "mine", set()),
    ],
)
def test_a_setting_moves_the_stages_that_depend_on_it(setting, value, stages):
    assert changed(**{setting: value}) == stages


def test_another_splits_runs_keep_their_address():
    before, after = plan(), plan(**{"splits.cv-16k.seed": 1})
    for pair, node in before.training.items():
        assert (after.training[pair].address == node.address) == (not pair.startswith("cv-16k/"))


def test_a_run_in_several_experiments_is_one_run():
    assert sum("default/mlp-1" in table.reads for table in plan().tables.values()) > 1
    assert len(plan().addresses("training")) == 18 * 4 + 12 * 2 + 4 + 4  # 6,240 runs


def test_figure_3_needs_240_runs():
    paper = plan()
    table = paper.figures["fig3"].reads["table"]
    assert len(table.settings["runs"]) == 240
    assert len(set(paper.table_inputs(table, "metrics.parquet"))) == 240


def test_a_figure_is_told_facts_about_its_splits_and_architectures():
    told = plan().figures["early_stopping"].settings
    assert told["splits"][0]["dataset_kind"] == "tetrominoes"
    stopped = {arch["name"]: arch["early_stopping"] for arch in told["archs"]}
    assert stopped["mlp-1-stopped"] == PAPER["archs"]["mlp-1-stopped"]["early_stopping"]
    assert stopped["mlp-1"] is None


def test_every_address_is_as_its_pattern_says_and_found():
    paper = plan()
    for stage in STAGES:
        for address in paper.addresses(stage):
            assert re.fullmatch(address_pattern(stage), address)
            assert paper.node(stage, address).address == address


def test_inputs_of_a_table_follow_its_runs():
    paper = plan()
    table = paper.tables["fig3"]
    paths = paper.table_inputs(table, "metrics.parquet")
    for run, path in zip(table.settings["runs"], paths, strict=True):
        assert path.startswith(f"results/evaluation/{run['split']}/{run['arch']}-")
        assert path.endswith(f"/beta-{run['beta']:g}/seed-{run['seed']}/metrics.parquet")
    shown = paper.table_inputs(table, "reconstructions.npz")
    assert [path.replace("metrics.parquet", "reconstructions.npz") for path in paths[::5]] == shown


@pytest.mark.parametrize(
    ("pack", "axes", "n"),
    [
        ([], {"beta": "0.1", "seed": "3"}, 1),
        (["beta"], {"seed": "3"}, 12),
        (["seed"], {"beta": "0.001"}, 5),
        (["seed", "beta"], {}, 60),
    ],
)
def test_runs_of_a_job(pack, axes, n):
    runs = plan().runs(pack, axes)
    assert len(runs) == n
    for axis, value in axes.items():
        assert all(run[axis] == float(value) for run in runs)


def test_checkpoints_lie_below_their_runs_and_move_no_address():
    paper, more = plan(), plan(**{"training.checkpoints": [1000, 64000]})
    assert more.addresses("training") == paper.addresses("training")
    runs = more.runs([], {"beta": "0.1", "seed": "3"})
    end = {"beta": 0.1, "seed": 3}
    assert runs == [end | {"checkpoint": 1000}, end | {"checkpoint": 64000}, end]
    node = more.training["cv-16k/mlp-1"]
    paths = [path.removeprefix(node.file("beta-0.1/seed-3/")) for path in node.files("f", runs)]
    assert paths == ["iteration-1000/f", "iteration-64000/f", "f"]
    table = more.tables["fig3"]
    inputs = more.table_inputs(table, "metrics.parquet")
    assert len(set(inputs)) == len(inputs) == 3 * 4 * 60
    assert [run["iteration"] for run in table.settings["runs"][:3]] == [1000, 64000, 257_000]
    pictures = more.table_inputs(table, "reconstructions.npz")
    assert len(pictures) == 4 * 12 and not any("iteration-" in path for path in pictures)


def test_large_seeds_and_small_betas_are_spelled_apart():
    large = plan(seeds=[1234567, 1234568], betas=[1e-7, 1])
    assert large.runs([], {"beta": "1e-07", "seed": "1234567"}) == [{"beta": 1e-7, "seed": 1234567}]
    paths = large.table_inputs(large.tables["fig3"], "metrics.parquet")
    assert len(set(paths)) == len(paths) == 4 * 4


def test_a_target_links_plain_names_of_its_study_to_current_results():
    for name in ("paper", "mine"):
        study = plan(name=name)
        links = study.target_links(["fig3"])
        figure, table = study.figures["fig3"].address, study.tables["fig3"].address
        assert links[f"results/{name}/figures/fig3.pdf"] == f"../../figures/{figure}.pdf"
        assert links[f"results/{name}/tables/fig3"] == f"../../tables/{table}"
        assert len(links) == 4
        assert len(study.target_files(["fig3"])) == 3 + 6


def test_a_figure_needs_the_experiment_it_is_drawn_from_and_no_other():
    paper = plan(**{"figures.fig8.experiment": "fig3"})
    assert [table.name for table in paper.target_tables(["fig8"])] == ["fig3"]
    assert [table.name for table in paper.target_tables(["all_datasets"])] == ["all_datasets"]


def test_an_address_of_another_study_is_unknown():
    for stage, address in (
        ("splits", "cv-99k-0123456789"),
        ("splits", "cv-16k-0123456789"),
        ("training", "cv-16k/mlp-1-0123456789"),
    ):
        assert re.fullmatch(address_pattern(stage), address)
        with pytest.raises(RdpipeError, match=f"{address} is no result of the present study"):
            plan().node(stage, address)


ASKED = {"splits": ["cv-16k"], "archs": ["mlp-1"], "diagnostics": ["active_units", "inference_gap"]}


def test_a_measure_is_a_result_of_its_own_that_moves_no_other_address():
    paper, more = plan(), plan(**{"experiments.asked": ASKED})
    for stage in ("training", "evaluation", "tables", "figures"):
        assert set(paper.addresses(stage)) <= set(more.addresses(stage))
    new = [name for name in more.diagnostics if name not in paper.diagnostics]
    assert new == ["active_units/cv-16k/mlp-1", "inference_gap/cv-16k/mlp-1"]
    table = more.tables["asked"]
    paths = more.diagnostic_inputs(table)
    assert len(paths) == 2 * 60
    assert paths[0].startswith("results/diagnostics/active_units/cv-16k/mlp-1-")
    assert paths[60].startswith("results/diagnostics/inference_gap/cv-16k/mlp-1-")
    other = plan(**{"experiments.asked": ASKED, "diagnostics.active_units": {"threshold": 0.1}})
    moved = {
        name
        for name, node in more.diagnostics.items()
        if other.diagnostics[name].address != node.address
    }
    assert moved == {"active_units/cv-16k/mlp-1"}


def test_a_figure_of_pictures_reads_those_of_the_first_seed_beside_its_tables():
    entry = {"draw": "samples", "experiment": "fig8", "diagnostic": "pictures"}
    more = plan(**{"figures.mine": entry})
    inputs = more.figure_inputs(more.figures["mine"])
    pictures = {name: path for name, path in inputs.items() if name.startswith("pictures/")}
    assert len(pictures) == 2 * 12
    name = "pictures/cv-16k/mlp-3"
    assert pictures[f"{name}/0.1/0"] == more.diagnostics[name].file("beta-0.1/seed-0/pictures.npz")
    assert set(inputs) - set(pictures) == set(more.figure_inputs(more.figures["fig8"]))


def test_the_papers_figures_need_no_diagnostics():
    paper = plan()
    for name in PAPER["targets"]:
        tables = paper.target_tables([name])
        asked = [table.name for table in tables if paper.diagnostic_inputs(table)]
        assert asked == (["memorized"] if name == "claims" else [])
