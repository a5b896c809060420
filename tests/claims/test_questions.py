"""The open questions: each is supported where its hypothesis holds, and falls where it does not.

The worlds' splits and architectures are those of the paper's claims, under the names of settings.
"""

import math

import pandas as pd
import pytest

from rdpipe.claims.judging import judge
from rdpipe.claims.questions import QUESTIONS
from tests.claims.worlds import as_the_paper_says, tables

SPLIT = "cv-16k"
PRIORS = {"split": SPLIT, "standard": "mlp-1", "learned": ["mlp-1-mixture", "mlp-1-flow"]}
ROLES = {
    "prior_lowers_marginal_kl": PRIORS,
    "prior_raises_elbo": PRIORS,
    "prior_leaves_distortion": PRIORS,
    "likelihood_leaves_minimum": {"split": SPLIT, "archs": ["mlp-1", "mlp-1-gaussian"]},
    "density_raises_information": {
        "split": SPLIT, "bernoulli": "mlp-1", "densities": ["mlp-1-gaussian"],
    },
    "few_dimensions_cost_distortion": {"split": SPLIT, "few": "mlp-1-2", "paper": "mlp-1"},
    "more_dimensions_stay_unused": {"split": SPLIT, "paper": "mlp-1", "more": ["mlp-1-50"]},
    "more_dimensions_overfit": {"split": SPLIT, "paper": "mlp-1", "more": ["mlp-1-50"]},
    "gap_lies_in_inference": {"split": SPLIT, "archs": ["mlp-1"]},
    "deep_gap_lies_in_decoder": {"split": SPLIT, "deep": "mlp-3"},
    "marginal_kl_is_mismatch": {"split": SPLIT, "archs": ["mlp-1", "mlp-3"]},
    "length_deepens_minimum": {"split": SPLIT, "shallow": "mlp-1"},
    "length_is_harmless_at_large_beta": {"split": SPLIT, "archs": ["mlp-1"]},
}  # fmt: skip


GAPS = {"gap_lies_in_inference", "deep_gap_lies_in_decoder"}


def plain(arch, beta, metrics):
    """A world in which no setting changes anything, and all that is small is really so."""
    return {"mse": math.exp(metrics["distortion"] / 1000), "mixture_saving": 0.0}


def hypotheses(arch, beta, metrics):
    """A world in which every hypothesis holds."""
    changed = {"mse": math.exp(metrics["distortion"] / 50)}
    changed |= {"mixture_saving": 0.8 * metrics["marginal_kl"]}
    if arch in PRIORS["learned"]:
        changed |= {"marginal_kl": metrics["marginal_kl"] / 2 - 1, "elbo": metrics["elbo"] + 5}
    if arch == "mlp-1-gaussian":
        changed |= {"mutual_information": metrics["mutual_information"] + 1}
    if arch == "mlp-1-2":
        changed |= {"distortion": metrics["distortion"] + 20}
    if arch == "mlp-1-50":
        changed |= {"distortion": metrics["distortion"] + 10 * max(0, -1 - math.log10(beta))}
    return changed


def verdict(name, world, late=0.0, seeds=5):
    """The verdict on a question. After a longer training, D at the smallest β is `late` higher."""
    roles = ROLES[name]
    archs = {
        arch
        for role, players in roles.items()
        if role != "split"
        for arch in ([players] if isinstance(players, str) else players)
    }

    def changed(split, arch, beta, part, metrics):
        of_world = world(arch, beta, metrics)
        if world is hypotheses and part == "test" and name in GAPS:
            gap = 2 + 12 * max(0, -1 - math.log10(beta)) + 20 * ("-3" in arch)
            closed = 0.9 if beta < 1 else 0.1
            of_world |= {"inference_gap_distortion": 1 + closed * gap}
            train = as_the_paper_says(split, arch, beta, "train")["excess_distortion"]
            of_world |= {"excess_distortion": train + gap}
        return {"inference_gap_distortion": 1.0} | of_world

    some = tables([SPLIT], sorted(archs), world=changed, seeds=seeds, noise=0.005)
    end = some["runs"]
    before = end.assign(iteration=end["iteration"] / 10)
    steep = (end["beta"] == end["beta"].min()) & (end["part"] == "test")
    end = end.assign(distortion=end["distortion"] + late * steep)
    some["runs"] = pd.concat([before, end], ignore_index=True)
    return judge({"some": some}, [{"name": name, "experiment": "some", "roles": roles}])


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_supported_where_its_hypothesis_holds(name):
    judged = verdict(name, hypotheses, late=20.0)
    assert set(judged["claim_verdict"]) == {"supported"}, judged[["part", "effect", "low", "high"]]
    assert judged["reason"].str.endswith(".").all()


NOTHING = [
    "prior_lowers_marginal_kl", "prior_raises_elbo", "likelihood_leaves_minimum",
    "density_raises_information", "few_dimensions_cost_distortion", "length_deepens_minimum",
    "gap_lies_in_inference", "marginal_kl_is_mismatch",
]  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_a_question_that_claims_a_change_is_not_supported_where_nothing_changes(name):
    assert set(verdict(name, plain)["claim_verdict"]) == {"not supported"}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("prior_leaves_distortion", {"mlp-1-flow": 15.0}),
        ("more_dimensions_stay_unused", {"mlp-1-50": 3.0}),
    ],
)
def test_a_question_that_claims_no_change_is_not_supported_where_something_does(name, change):
    def world(arch, beta, metrics):
        return {"distortion": metrics["distortion"] + change.get(arch, 0)}

    assert set(verdict(name, world)["claim_verdict"]) == {"not supported"}


def test_a_gap_that_fitted_posteriors_close_does_not_lie_in_the_decoder():
    def world(arch, beta, metrics):
        test = (
            metrics["excess_distortion"]
            > as_the_paper_says(SPLIT, arch, beta, "train")["excess_distortion"]
        )
        return {"inference_gap_distortion": 100.0 * test}

    judged = verdict("deep_gap_lies_in_decoder", world)
    assert set(judged["claim_verdict"]) == {"not supported"}


def test_overfitting_at_large_beta_is_noticed():
    roles = ROLES["length_is_harmless_at_large_beta"]
    some = tables([SPLIT], ["mlp-1"])
    end = some["runs"]
    later = end.assign(iteration=2 * end["iteration"], distortion=end["distortion"] + 3)
    some["runs"] = pd.concat([end, later], ignore_index=True)
    entry = {"name": "length_is_harmless_at_large_beta", "experiment": "some", "roles": roles}
    assert set(judge({"some": some}, [entry])["verdict"]) == {"not supported"}


def test_without_a_checkpoint_the_length_of_training_is_undetermined():
    some = tables([SPLIT], ["mlp-1"])
    roles = ROLES["length_deepens_minimum"]
    entry = {"name": "length_deepens_minimum", "experiment": "some", "roles": roles}
    judged = judge({"some": some}, [entry])
    assert judged["note"].item() == "it takes a checkpoint before the end of training"


def test_claims_of_the_paper_have_no_reason_and_questions_count_diverged_runs_once():
    some = tables([SPLIT], ["mlp-1"])
    end = some["runs"]
    some["runs"] = pd.concat([end.assign(iteration=10, status="diverged"), end], ignore_index=True)
    roles = {"sparse": SPLIT, "shallow": "mlp-1"}
    entry = {"name": "sparse_u_shape", "experiment": "some", "roles": roles}
    judged = judge({"some": some}, [entry])
    assert set(judged["reason"]) == {""} and set(judged["n_diverged"]) == {0}
