"""What `rdpipe plan` says of a study that real Snakemake has made."""

from pathlib import Path

import pytest

from rdpipe.overview.results import Results
from tests.overview._study import plan

pytestmark = pytest.mark.workflow


def test_the_store_has_what_a_real_study_has_made(checkout, monkeypatch):
    """Keys of the plan are those of jobs; and jobs that ended well leave no file of theirs."""
    monkeypatch.chdir(checkout.path)
    results = Results(plan())
    assert results.jobs(["fig1", "fig3"]) == []
    assert not list(Path("results/logs").glob("running/*.json"))
    for link in Path("results").rglob("*"):
        if link.is_symlink():
            link.unlink()
    found = Results(plan()).jobs(["fig1", "fig3"])
    stored = {job.node.stage: (len(job.runs), job.stored) for job in found}
    del stored["tables"], stored["figures"]
    assert stored == {
        "datasets": (1, 1), "splits": (1, 1), "neighbours": (1, 1), "training": (4, 4),
        "evaluation": (4, 4),
    }  # fmt: skip
