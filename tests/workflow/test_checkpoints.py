"""Checkpoints with the real Snakemake: what a longer training shares with a shorter one."""

import pandas as pd
import pytest

from .test_reruns import EVALUATION, TRAINING

pytestmark = pytest.mark.workflow


@pytest.mark.long
def test_lengthening_a_study_computes_only_what_is_new(checkout):
    """The tests' study trains for 20 iterations."""
    longer = {"training": {"iterations": 40, "checkpoints": [20], "keep_states": True}}
    outcome = checkout.snakemake(**longer)
    assert outcome.code == 0, outcome.text
    # what was the end is now a checkpoint, and came from the store
    assert outcome.stored == {f"{run} iterations=20" for run in TRAINING} | EVALUATION
    assert outcome.computed == TRAINING | EVALUATION | {"tables fig3", "figures fig3"}
    rd = pd.read_parquet(checkout.path / "results/tests/tables/fig3/rd.parquet")
    assert rd.groupby("iteration").size().to_dict() == {20: 8, 40: 8}
    assert rd["distortion"].nunique() == 16
    assert checkout.snakemake(**longer).nothing

    # the store has kept the states at the end, from which a still longer training goes on
    longest = {"training": {"iterations": 60, "checkpoints": [20, 40], "keep_states": True}}
    outcome = checkout.snakemake(**longest)
    assert outcome.computed >= TRAINING
    assert not any(" iterations=" in title for title in outcome.computed)
    assert "training goes on from the end of one of 40 iterations" in outcome.text

    assert checkout.snakemake().nothing  # and back
