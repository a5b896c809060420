"""The table of runs, and its conditions."""

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.overview import runs
from rdpipe.overview.progress import Look
from rdpipe.overview.results import Results

from ._study import make, plan


@pytest.fixture
def look(tmp_path, monkeypatch):
    """A study whose runs are trained and evaluated, but for those of β = 5."""
    monkeypatch.chdir(tmp_path)
    for stage in ("datasets", "splits", "neighbours", "training", "evaluation"):
        make(plan(), stage)
    return Look(Results(plan(betas=[0.1, 1, 5])), ["fig3"])


def found(look, where):
    return [(row["beta"], row["seed"]) for row in runs.table(look, where)[1]]


def test_every_run_has_its_axes_its_numbers_and_its_folder(look):
    _, rows = runs.table(look)
    assert [row["status"] for row in rows] == 4 * ["finished"] + 2 * ["missing"]
    first = rows[0]
    assert (first["split"], first["arch"], first["beta"], first["seed"]) == (
        "half",
        "mlp-1",
        0.1,
        0,
    )
    assert (first["train_distortion"], first["test_distortion"]) == (0.1, 1.1)
    assert (first["test_memorization"], rows[-1]["test_memorization"]) == (0.5, None)
    assert "train_memorization" not in first  # it is measured on no run
    assert first["folder"].startswith("results/training/half/mlp-1-")
    assert first["folder"].endswith("/beta-0.1/seed-0")


@pytest.mark.parametrize(
    ("where", "which"),
    [
        ("beta<1", [(0.1, 0), (0.1, 1)]),
        ("beta>=1 seed=1", [(1, 1), (5, 1)]),
        ("beta=0.1,5 seed=0", [(0.1, 0), (5, 0)]),
        ("beta!=0.1,5 arch=mlp-* split!=other", [(1, 0), (1, 1)]),
        ("test_distortion>11", [(0.1, 1), (1, 1)]),
        ("status=missing", [(5, 0), (5, 1)]),
        ("arch=cnn-*", []),
    ],
)
def test_conditions_choose_runs(look, where, which):
    assert found(look, where) == which


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("bta<1", "there is no column 'bta'; did you mean 'beta'?"),
        ("beta < 1", "beta is no condition"),
        ("beta<one", "one is no number"),
        ("arch<mlp", "can only be = or !="),
    ],
)
def test_a_condition_that_cannot_be_read_is_one_sentence(look, where, sentence):
    with pytest.raises(RdpipeError, match=sentence.replace("?", r"\?")):
        runs.table(look, where)
