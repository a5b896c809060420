"""What differs between two results, and why a result would be computed."""

import shutil
from pathlib import Path

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.overview import comparing
from rdpipe.overview.results import Results
from rdpipe.store import fingerprint as fp
from rdpipe.store.jobs import Item, Job
from rdpipe.study import about
from rdpipe.study import plan as plans

from ._study import make, plan, remove

STAGES = ("datasets", "splits", "neighbours", "training", "evaluation")


@pytest.fixture(autouse=True)
def study(tmp_path, monkeypatch):
    """A study whose runs are trained and evaluated."""
    monkeypatch.chdir(tmp_path)
    study = plan()
    for stage in STAGES:
        make(study, stage)
    return study


def run(study, beta="1", seed="0"):
    """The folder of a trained run."""
    (node,) = study.training.values()
    return f"results/training/{node.address}/beta-{beta}/seed-{seed}"


def record(study, place):
    return comparing.record_at(place, Results(study))


def reasons(study, target="fig3"):
    return {name: (missing, changed)
            for name, missing, changed in comparing.reasons(Results(study), target)}  # fmt: skip


def test_only_what_differs_is_told(study):
    one, other = record(study, run(study)), record(study, run(study, seed="1"))
    assert comparing.diff(one, one) == []
    names = [name for name, _, _ in comparing.diff(one, other)]
    assert names[0] == "settings.run.seed"
    assert {name.partition(".")[0] for name in names} == {"settings", "content"}


def test_settings_code_and_versions_are_told_apart(study):
    one = record(study, f"{run(study)}/run.json")
    other = one | {
        "settings": one["settings"] | {"iterations": 30},
        "code": "0" * 64,
        "modules": one["modules"] | {"rdpipe.training.engine": "0" * 12},
        "versions": one["versions"] | {"torch": "3.0"},
        "threads": 8,
    }
    told = {name: values for name, *values in comparing.diff(one, other)}
    assert told["settings.iterations"] == ["20", "30"]
    assert told["code.rdpipe.training.engine"][1] == "0" * 12
    assert told["versions.torch"][1] == "3.0" and told["threads"] == ["1", "8"]
    assert len(told) == 4
    older = {name: value for name, value in other.items() if name != "modules"}
    assert "code" in {name for name, _, _ in comparing.diff(one, older)}


@pytest.mark.parametrize("place", ["results/nothing", "config.yaml", "fig3"])
def test_a_place_without_a_result_is_one_sentence(study, place):
    with pytest.raises(RdpipeError, match=f"{place} is no result with a record"):
        record(study, place)


def test_a_result_that_was_never_made_has_no_earlier_one(study):
    found = reasons(plan(**{"splits.third": {"dataset": "tiny", "kind": "cv", "n_train": 64},
                            "experiments.fig3.splits": ["third"]}))  # fmt: skip
    missing, changed = found["training third/mlp-1"]
    assert missing.startswith("4 of 4 results are missing, and no earlier one") and not changed


def test_the_setting_that_changed_is_named_where_it_belongs(study):
    found = reasons(plan(**{"training.iterations": 30}))
    assert found["training half/mlp-1"][1] == ["iterations was 20, is 30"]
    assert found["evaluation half/mlp-1"] == (
        "4 of 4 results are missing",
        [],
    )  # its inputs changed
    assert not any(name.startswith(("datasets", "splits")) for name in found)


def test_a_new_beta_and_removed_files_are_told_as_missing(study):
    found = reasons(plan(betas=[0.1, 1, 5]))
    assert found["training half/mlp-1"] == ("2 of 6 results are missing", [])
    remove(study, "evaluation")
    missing, changed = reasons(study)["evaluation half/mlp-1"]
    assert missing == "4 of 4 results are missing; the store has them" and not changed


def test_the_module_that_changed_is_named(study, tmp_path, monkeypatch):
    copy = Path(shutil.copytree(fp.PACKAGE, tmp_path / "rdpipe"))
    engine = copy / "training/engine.py"
    engine.write_text(engine.read_text("utf-8") + "\n\nEXTRA = 1\n", "utf-8")
    monkeypatch.setattr(fp, "PACKAGE", copy)
    plans._code.cache_clear()
    try:
        found = reasons(plan())
    finally:
        monkeypatch.undo()
        plans._code.cache_clear()
    assert found["training half/mlp-1"][1] == ["code of rdpipe.training.engine changed"]


def test_results_of_all_nodes_with_one_reason_are_summed():
    changes = {"archs.mlp-2": {"kind": "mlp", "layers": 2, "width": 8, "latent": 2},
               "experiments.fig3.archs": ["mlp-1", "mlp-2"]}  # fmt: skip
    make(plan(**changes), "training")
    found = reasons(plan(**changes, **{"training.iterations": 30}))
    (name,) = (name for name in found if name.startswith("training"))
    assert found[name] == ("8 of 8 results are missing", ["iterations was 20, is 30"])
    assert "half/mlp-1" in name and "half/mlp-2" in name


def test_nodes_without_runs_are_told_in_one_sentence():
    found = reasons(plan(**{"splits.third": {"dataset": "tiny", "kind": "cv", "n_train": 64},
                            "splits.fourth": {"dataset": "tiny", "kind": "cv", "n_train": 32},
                            "experiments.fig3.splits": ["third", "fourth"]}))  # fmt: skip
    (missing,) = (found[name][0] for name in found if name.startswith("splits "))
    assert missing == (
        "2 of 2 results are missing, and no earlier one of these names is in results/"
    )


def table_reason(earlier, now):
    """What is told of the table of one study after that of another was made."""
    (node,) = earlier.tables.values()
    item = Item({}, {"rd.csv": node.file("rd.csv")}, {})

    def write(folder):
        (folder / "rd.csv").write_text("")

    job = Job(node.spec([{}]), store=earlier.study.store, log_file="results/logs/tables/x.log")
    job.make_all([item], lambda missing, _state: [(item, write) for item in missing])
    return reasons(now)["tables fig3"]


def test_a_longer_training_is_no_change_of_the_runs_of_a_table(study):
    missing, changed = table_reason(study, plan(**{"training.iterations": 30}))
    assert missing == "is missing" and changed == []
    assert table_reason(study, plan(betas=[0.1, 1, 5]))[1] == [
        "its runs changed: 0 went, 2 came",
    ]


def test_an_earlier_result_of_another_study_is_said_to_be_one(study):
    other = plan(name="other", betas=[0.1])
    about.write(other, ["fig3"])
    now = plan(betas=[0.1, 1, 5])
    missing, changed = table_reason(other, now)
    assert missing == "is missing; the newest earlier one is of the study other" and changed
    missing, changed = table_reason(study, now)  # of no other study
    assert missing == "is missing" and changed == ["its runs changed: 0 went, 2 came"]
