"""One job: what it asks the store for, what it computes, what its records say."""

import copy
from pathlib import Path

import pytest
import yaml

from rdpipe.config import read_study
from rdpipe.files import read_json, write_json
from rdpipe.jobs import Item, Job, items_of_runs
from rdpipe.plan import Plan

PAPER = yaml.safe_load((Path(__file__).parent.parent / "config.yaml").read_text("utf-8"))
RUNS = [{"beta": beta, "seed": 0} for beta in (0.1, 1.0, 5.0)]


def spec(stage="training", **changes):
    """The specification of one stage's job, with some of its settings changed."""
    config = copy.deepcopy(PAPER)
    config[stage] |= changes
    return getattr(Plan(read_study(config)), stage)["cv-16k/mlp-1"].spec(RUNS)


@pytest.fixture
def job(tmp_path):
    """A job in a store of its own."""
    return lambda **of: Job(
        spec(**of), store=str(tmp_path / "store"), log_file=str(tmp_path / "job.log")
    )


def items(folder, runs=RUNS):
    """Items that read one file and write one each."""
    (folder / "in.json").write_text("[]")
    outputs = [str(folder / f"beta-{run['beta']}" / "out.json") for run in runs]
    return items_of_runs(runs, {"data": str(folder / "in.json")}, {"out.json": outputs})


def yields(asked, fail_at=None):
    """A computation that notes what it was asked for, and may fail before an item."""

    def compute(missing, state):
        asked.append([item.axes["beta"] for item in missing])
        for item in missing:
            if item.axes["beta"] == fail_at:
                state.write_text("half-way")
                raise RuntimeError("half-way")
            beta = item.axes["beta"]
            yield item, lambda folder, beta=beta: write_json(folder / "out.json", beta)

    return compute


def record(path):
    return read_json(Path(path).resolve().parent / "record.json")


@pytest.mark.parametrize(
    ("stage", "setting", "value"),
    [
        ("training", "iterations", 10),
        ("training", "batch_size", 64),
        ("training", "learning_rate", 0.01),
        ("training", "precision", "float64"),
        ("training", "history_every", 10),
        ("evaluation", "examples", 3),
        ("evaluation", "outer", 2048),
        ("evaluation", "batch", 256),
        ("evaluation", "seed", 1),
    ],
)
def test_every_setting_is_in_the_store_key(job, tmp_path, stage, setting, value):
    for run in ({"beta": 1.0, "seed": 0}, {"beta": 1.0, "seed": 1}):
        (item,) = items(tmp_path, [run])
        assert job(stage=stage)._key(item) != job(stage=stage, **{setting: value})._key(item)


def test_runs_and_inputs_are_in_the_store_key(job, tmp_path):
    keys = {job()._key(item) for item in items(tmp_path)}
    (tmp_path / "in.json").write_text("[1]")
    changed = Item({"data": str(tmp_path / "in.json")}, {}, RUNS[0])
    assert len(keys | {job()._key(changed)}) == 4


def test_what_is_stored_is_not_computed_again(job, tmp_path):
    asked = []
    job().make_all(items(tmp_path), yields(asked))
    for item in items(tmp_path):
        Path(item.outputs["out.json"]).unlink()
    job().make_all(items(tmp_path), yields(asked))
    assert asked == [[0.1, 1.0, 5.0]]
    assert [read_json(Path(item.outputs["out.json"])) for item in items(tmp_path)] == [0.1, 1, 5]


def test_a_record_says_how_many_were_computed_together(job, tmp_path):
    job().make_all(items(tmp_path, RUNS[:1]), yields([]))
    job().make_all(items(tmp_path), yields([]))
    packs = [record(item.outputs["out.json"])["pack"] for item in items(tmp_path)]
    assert packs == [1, 2, 2]


def test_an_interrupted_pack_goes_on_with_the_same_members(job, tmp_path, capfd):
    """One was stored long before, one just before the failure: only the latter is made again."""
    asked = []
    job().make_all(items(tmp_path, RUNS[:1]), yields(asked))
    with pytest.raises(SystemExit):
        job().make_all(items(tmp_path), yields(asked, fail_at=5.0))
    assert "RuntimeError: half-way (see " in capfd.readouterr().err
    job().make_all(items(tmp_path), yields(asked))
    assert asked == [[0.1], [1.0, 5.0], [1.0, 5.0]]
    assert not list((tmp_path / "store" / "state").iterdir())


def test_state_of_other_members_is_not_taken_up(job, tmp_path):
    asked = []
    with pytest.raises(SystemExit):
        job().make_all(items(tmp_path), yields(asked, fail_at=0.1))
    for member in (tmp_path / "store" / "state").glob("*.json"):
        write_json(member, ["of another pack"])
    job().make_all(items(tmp_path), yields(asked))
    assert asked == [[0.1, 1.0, 5.0]] * 2
