"""What differs between two results, and why a result would be computed."""

import shutil
from pathlib import Path

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.overview import comparing
from rdpipe.overview.results import Results
from rdpipe.store import fingerprint as fp
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
