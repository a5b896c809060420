"""What exists, what the store has, and which jobs are left."""

import pytest

from rdpipe.overview.results import Results
from rdpipe.study.settings.study import STAGES

from ._study import make, make_all, plan, remove

TARGETS = ["fig1", "fig3"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def jobs(study, targets=TARGETS):
    """Number of results and how many of them the store has, for each stage with jobs."""
    found = Results(study).jobs(targets)
    stages = [stage for stage in STAGES if any(job.node.stage == stage for job in found)]
    return {
        stage: (
            sum(len(job.runs) for job in found if job.node.stage == stage),
            sum(job.stored for job in found if job.node.stage == stage),
        )
        for stage in stages
    }


def test_a_new_study_computes_everything_a_figure_rests_on():
    assert jobs(plan()) == {
        "datasets": (1, 0), "splits": (1, 0), "neighbours": (1, 0), "training": (4, 0),
        "evaluation": (4, 0), "tables": (1, 0), "figures": (2, 0),
    }  # fmt: skip
    assert jobs(plan(), ["fig1"]) == {"datasets": (1, 0), "figures": (1, 0)}


def test_packed_runs_are_one_job():
    titles = [job.title for job in Results(plan()).jobs(["fig3"]) if job.node.stage == "training"]
    assert titles == ["training half/mlp-1"]
    apart = Results(plan(**{"training.pack": ["seed"]})).jobs(["fig3"])
    assert [len(job.runs) for job in apart if job.node.stage == "training"] == [2, 2]
    apart = Results(plan(**{"training.pack": []})).jobs(["fig3"])
    assert "training half/mlp-1 beta=0.1 seed=1" in [job.title for job in apart]


def test_a_finished_study_computes_nothing_whatever_is_gone_behind_its_targets():
    study = plan()
    make_all(study)
    remove(study, "training", "splits")
    assert jobs(study) == {}


def test_the_store_has_what_jobs_have_made():
    """The keys are those that real jobs compute from the content of their inputs."""
    study = plan()
    for stage in ("datasets", "splits", "neighbours", "training", "evaluation"):
        make(study, stage)
    remove(study, "datasets", "splits", "neighbours", "training", "evaluation")
    found = jobs(study)
    assert {stage: stored for stage, (_, stored) in found.items()} == {
        "datasets": 1, "splits": 1, "neighbours": 1, "training": 4, "evaluation": 4, "tables": 0,
        "figures": 0,
    }  # fmt: skip
    more = jobs(plan(betas=[0.1, 1, 5]))
    assert more["training"] == more["evaluation"] == (6, 4)
    assert jobs(plan(**{"training.iterations": 30}))["training"] == (4, 0)


def test_a_checkpoint_is_found_as_the_run_that_ends_there():
    short = plan(**{"training.iterations": 10})
    for stage in ("datasets", "splits", "training"):
        make(short, stage)
    assert jobs(plan(**{"training.checkpoints": [10]}))["training"] == (8, 4)
