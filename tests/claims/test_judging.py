"""The table of verdicts: what a reader finds in it."""

import math

import pandas as pd
import pytest

from rdpipe.claims.judging import COLUMNS, judge
from rdpipe.common.errors import RdpipeError
from tests.claims.worlds import CASES, entry, only_verdict, runs_of, verdicts


def test_a_verdict_has_all_that_a_reader_needs():
    judged = verdicts("sparse_u_shape")
    assert [*judged] == COLUMNS
    assert judged[["claim", "experiment", "roles"]].drop_duplicates().to_numpy().tolist() == [
        ["sparse_u_shape", "some", "sparse=cv-16k shallow=mlp-1"]
    ]
    assert judged["sentence"].str.startswith("The distortion on the training set").all()
    assert judged["conditional_on"].str.contains("split").all()


def test_a_part_that_does_not_decide_is_shown_with_its_own_verdict():
    # test D has a bump of 30 nats in the middle of the grid, which makes no U of an L
    def bump(split, arch, beta, part, metrics):
        return {"distortion": metrics["distortion"] + 30 * (beta == 0.3)}

    judged = verdicts("sparse_l_shape", world=bump)
    assert only_verdict(judged) == "supported"
    assert judged["decides"].tolist() == [True, True, False]
    assert judged["verdict"].tolist() == ["supported", "supported", "not supported"]


def test_a_seed_with_a_diverged_run_is_left_out_and_the_run_counted():
    some = runs_of("sparse_u_shape")
    runs = some["runs"]
    diverged = (runs["seed"] == 3) & (runs["beta"] == 5)
    runs.loc[diverged, "status"] = "diverged"
    runs.loc[diverged, ["distortion", "elbo"]] = math.nan
    of_another = runs[diverged].assign(arch="mlp-3")  # counts for no part of this claim
    some["runs"] = pd.concat([runs, of_another], ignore_index=True)
    judged = judge({"some": some}, [entry("sparse_u_shape")])
    assert only_verdict(judged) == "supported"
    assert set(judged["n"]) == {4}
    assert set(judged["n_diverged"]) == {1}


@pytest.mark.parametrize("claim", sorted(CASES.keys() - {"checkerboard_neighbours"}))
def test_two_seeds_leave_a_claim_undetermined(claim):
    judged = verdicts(claim, seeds=2)
    assert set(judged["verdict"]) == {"undetermined"}
    assert judged["note"].str.contains("seeds with all runs: 2").all()


def test_what_was_not_measured_leaves_a_claim_undetermined():
    some = runs_of("sparse_likelihood_peak")
    some["runs"] = some["runs"].drop(columns=["log_likelihood_100", "log_likelihood_5000"])
    judged = judge({"some": some}, [entry("sparse_likelihood_peak")])
    assert judged["note"].item() == "log p(x) was not measured"
    some["runs"]["elbo"] = some["runs"]["elbo"].where(some["runs"]["beta"] != 1)
    judged = judge({"some": some}, [entry("sparse_elbo_peak")])
    assert "elbo on test is not a number" in judged["note"].item()


def test_a_claim_about_runs_of_different_devices_is_not_judged():
    some = runs_of("sparse_u_shape")
    some["runs"]["made_with"] = "one GPU, torch 2"
    assert only_verdict(judge({"some": some}, [entry("sparse_u_shape")])) == "supported"
    some["runs"].loc[some["runs"]["seed"] == 3, "made_with"] = "x86_64, torch 2"
    judged = judge({"some": some}, [entry("sparse_u_shape")])
    assert only_verdict(judged) == "undetermined"
    told = (
        "the runs were made with different devices or releases: one GPU, torch 2; x86_64, torch 2"
    )
    assert set(judged["note"]) == {told}


def test_runs_that_stopped_learning_are_told_beside_the_verdict():
    some = runs_of("sparse_u_shape")
    some["runs"]["learned"] = some["runs"]["seed"] != 3
    judged = judge({"some": some}, [entry("sparse_u_shape")])
    assert only_verdict(judged) == "supported"
    assert judged["note"].str.fullmatch(r"7 of 35 runs stopped learning").all()


def test_the_deviation_is_that_of_the_effect_over_seeds_in_its_unit():
    judged = verdicts("marginal_kl_matters", noise=1.5, seeds=200).set_index("part")
    # each of the two curves is a mean over the four β below 1: 1.5 √(2 / 4) nats
    assert judged["deviation"].tolist() == pytest.approx([1.06, 1.06], rel=0.15)
    assert set(judged["unit"]) == {"nats"}


def test_what_can_be_decided_is_given_for_these_seeds_and_for_five():
    five, twenty = (verdicts("sparse_u_shape", noise=1.5, seeds=seeds) for seeds in (5, 20))
    assert five["decidable"].tolist() == five["decidable_5_seeds"].tolist()
    assert (twenty["decidable"] < twenty["decidable_5_seeds"]).all()
    assert verdicts("sparse_u_shape", seeds=2)["decidable_5_seeds"].isna().all()


def test_unknown_claims_and_roles_are_refused():
    some = {"some": runs_of("sparse_u_shape")}
    with pytest.raises(RdpipeError, match="claim sparse_u_shape has no role 'archs'; its roles"):
        judge(some, [entry("sparse_u_shape") | {"roles": {"archs": ["mlp-1"]}}])
    with pytest.raises(RdpipeError, match="there is no claim 'vae_is_best'"):
        judge(some, [entry("sparse_u_shape") | {"name": "vae_is_best"}])
