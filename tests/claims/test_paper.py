"""What a reader of verdicts may rely on.

Each claim must come out supported in a world in which all that the paper says is so, not supported
in a world that differs in the one thing it is about, and undetermined where noise drowns it. In
studies of the paper's design, verdicts are rarely wrong, and most are decided.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rdpipe.claims import contrasts
from rdpipe.claims.entries import all_parts, most_parts
from rdpipe.claims.intervals import Interval, largest
from rdpipe.claims.paper import CLAIMS
from tests.claims.worlds import (
    CASES,
    distances_as_the_paper_says,
    halvings,
    only,
    only_verdict,
    verdicts,
    worse,
)


def test_every_claim_is_tested_here():
    assert set(CASES) == set(CLAIMS)


@pytest.mark.parametrize("claim", CASES)
def test_a_claim_is_supported_where_things_are_as_the_paper_says(claim):
    judged = verdicts(claim)
    assert only_verdict(judged) == "supported"
    assert set(judged["verdict"]) == {"supported"}
    assert (judged["low"] <= judged["effect"]).all()
    assert (judged["effect"] <= judged["high"]).all()


@pytest.mark.parametrize("claim", CASES)
def test_a_claim_is_not_supported_where_they_are_otherwise(claim):
    _, world = CASES[claim]
    distances = (
        (lambda split: distances_as_the_paper_says(split.replace("checkerboard", "default")))
        if claim == "checkerboard_neighbours"
        else None
    )
    judged = verdicts(claim, world=world, distances=distances)
    assert only_verdict(judged) == "not supported"
    assert (judged["note"] == "").any()


@pytest.mark.parametrize("claim", CASES)
def test_a_claim_is_undetermined_where_noise_drowns_it(claim):
    unknown = (lambda split: np.full(201, math.nan)) if claim == "checkerboard_neighbours" else None
    judged = verdicts(claim, noise=1000, distances=unknown)
    assert only_verdict(judged) == "undetermined"
    assert judged["note"].ne("").any()


@pytest.mark.parametrize(
    ("claim", "betas", "missing"),
    [
        ("sparse_elbo_peak", (0.001, 1.0, 5.0), "β = 0.1"),
        ("sparse_elbo_peak", (0.1, 1.0, 5.0), "no β below 0.1"),
        ("sparse_u_shape", (0.1, 1.0), "three β"),
        ("discrepancy_needs_sparsity", (0.01, 0.1), "no β of 1 or more"),
    ],
)
def test_a_grid_without_the_needed_betas_leaves_a_claim_undetermined(claim, betas, missing):
    judged = verdicts(claim, betas=betas)
    assert only_verdict(judged) == "undetermined"
    assert missing in judged["note"].item()


def test_the_sparse_effects_are_those_of_the_world():
    judged = verdicts("sparse_u_shape", noise=0).set_index("part")
    assert judged["effect"].tolist() == pytest.approx([60, 0, 60, 12])
    assert judged["low"].tolist() == judged["effect"].tolist() == judged["high"].tolist()
    assert set(judged["unit"]) == {"nats"}


def test_a_trend_is_per_halving_of_the_training_set():
    world = only(worse(lambda split, _: 7 * halvings(split)), split="cv")
    judged = verdicts("cd_weak_dependence", world=world, noise=0).set_index("part")
    plain = verdicts("cd_weak_dependence", noise=0).set_index("part")
    name = "test D, mean over β: half the growth in CV minus that in CD"
    assert judged["effect"][name] - plain["effect"][name] == pytest.approx(7 / 2)


@pytest.mark.parametrize(
    ("verdicts", "all_of_them", "most_of_them"),
    [
        ("sss", "supported", "supported"),
        ("ssn", "not supported", "supported"),
        ("ssu", "undetermined", "supported"),
        ("suu", "undetermined", "undetermined"),
        ("sn", "not supported", "not supported"),
        ("snnu", "not supported", "not supported"),
        ("ssnu", "not supported", "undetermined"),
    ],
)
def test_parts_make_a_claim(verdicts, all_of_them, most_of_them):
    words = {"s": "supported", "n": "not supported", "u": "undetermined"}
    verdicts = [words[letter] for letter in verdicts]
    assert all_parts(verdicts) == all_of_them
    assert most_parts(verdicts) == most_of_them


# The paper's design: 12 β, five seeds, a deviation over seeds of 1.5 nats.
BETAS = np.array([0.001, 0.005, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1, 2, 3, 5])
DEVIATION, SEEDS = 1.5, 5
STUDIES = 1000

X = np.log10(BETAS)
FALL = 60 + 60 * np.clip(X + 1, 0, None) ** 2 / math.log10(50) ** 2  # by 60 nats; level below 0.1
LEVEL_END = np.array([1.0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])  # β up to 0.1
SMALL_END = np.clip(-1 - X, 0, None) / 2  # 0 at β = 0.1, 1 at 0.001
U, L = FALL + 12 * SMALL_END, FALL - 0.6 * SMALL_END
# falls by 75 nats, with a bump of 10 in the middle, and creeps up by 2 nats below β = 0.1
BUMP = np.array([62, 61.3, 61, 60, 66, 74, 76, 71, 68, 80, 105, 135])
PEAK = -60 - 8 * np.abs(X + 1)  # ELBO; 4 nats lower at the next larger β, 8 at the next smaller
TIED = -60 - 100 * (BETAS > 0.01) * (BETAS != 0.1)  # as high at four β as at 0.1


class Studies:
    """Tables of many studies at once: curve after curve, SEEDS rows a study.

    Runs of one seed share their batches and noise: `shared` is the correlation of D across β.
    """

    def __init__(self, curves, shared):
        self.curves, self.shared = curves, shared
        self.random = np.random.default_rng(0)

    def curve(self, split, arch, metric, part="test"):
        noise = self.random.normal(size=(STUDIES * SEEDS, len(BETAS)))
        of_seed = self.random.normal(size=(STUDIES * SEEDS, 1))
        noise = math.sqrt(self.shared) * of_seed + math.sqrt(1 - self.shared) * noise
        return pd.DataFrame(self.curves[arch, part] + DEVIATION * noise, columns=BETAS)

    def gap(self, split, arch):
        return self.curve(split, arch, "", "test") - self.curve(split, arch, "", "train")


@pytest.fixture
def parts_of(monkeypatch):
    """The parts of a claim, each with the effects of all studies, (STUDIES, SEEDS, C).

    The claim contrasts all studies' curves at once; each study is to be judged by itself.
    """

    def parts(claim, curves, shared=0.5, **roles):
        effects = []

        def keep(of_all):
            effects.append(of_all.reshape(STUDIES, SEEDS, -1))
            return Interval(math.nan, math.nan, math.nan, 0)

        with monkeypatch.context() as patch:
            patch.setattr(contrasts, "largest", keep)
            found = [*CLAIMS[claim].test(Studies(curves, shared), **roles)]
        return [*zip(found, effects, strict=True)]

    return parts


def verdicts_on(part, effects):
    """The verdict of each study on a part, (STUDIES,)."""
    return np.array([replace(part, interval=largest(study)).verdict for study in effects])


def verdicts_on_claim(claim, parts):
    """The verdict of each study on the claim, (STUDIES,)."""
    of_parts = [verdicts_on(part, effects) for part, effects in parts if part.decides]
    return np.array([CLAIMS[claim].conclude(study) for study in zip(*of_parts, strict=True)])


# 2.5 % and three standard errors of 1,000 studies
WRONG = 0.025 + 3 * math.sqrt(0.025 * 0.975 / STUDIES)

U_ROLES = {"sparse": "s", "shallow": "a"}
L_ROLES = {"sparse": "s", "deep": "a"}


@pytest.mark.parametrize(
    ("claim", "roles", "test", "train", "part"),
    [
        # test D turns by 5 nats: from four level β up to the smallest, or from all the others
        ("sparse_u_shape", U_ROLES, FALL + 5 * (BETAS == 0.001), FALL, "up to smallest"),
        ("sparse_l_shape", L_ROLES, FALL + 5 * (BETAS == 0.001), FALL, "up to smallest"),
        ("sparse_l_shape", L_ROLES, 60 + 5 * (BETAS == 0.001), FALL, "up to smallest"),
        # train D rises by 5 nats: at one step of many, or to all of the level end
        ("sparse_u_shape", U_ROLES, U, FALL + 5 * (BETAS == 0.005), "largest rise"),
        ("sparse_u_shape", U_ROLES, U, 60 + 5 * LEVEL_END, "largest rise"),
        # no lead: as high at one other β, or at all smaller
        ("sparse_elbo_peak", L_ROLES, np.where(BETAS == 0.3, -60, PEAK), PEAK, "larger β"),
        ("sparse_elbo_peak", L_ROLES, TIED, PEAK, "smaller β"),
        # a gap of 5 nats over all β, or over one stretch
        ("dense_no_memorization", {"dense": "s", "archs": ["a"]}, FALL + 5, FALL, "gap in D"),
        (
            "dense_no_memorization", {"dense": "s", "archs": ["a"]},
            FALL + 5 * (BETAS > 1), FALL, "gap in D",
        ),
    ],
)  # fmt: skip
def test_a_part_at_its_margin_is_decided_wrongly_in_2_5_percent_of_studies(
    parts_of, claim, roles, test, train, part
):
    # choosing the largest effect costs most where no noise is shared
    curves = {("a", "test"): test, ("a", "train"): train}
    parts = parts_of(claim, curves, shared=0, **roles)
    (found,) = (verdicts_on(*found) for found in parts if part in found[0].name)
    assert np.mean(found == "supported") < WRONG
    assert np.mean(found == "not supported") < WRONG


@pytest.mark.parametrize(
    ("claim", "roles", "curves"),
    [
        ("sparse_u_shape", U_ROLES, {"test": U, "train": FALL}),
        ("sparse_l_shape", L_ROLES, {"test": L}),
        ("sparse_elbo_peak", L_ROLES, {"test": PEAK}),
        (
            "dense_no_memorization",
            {"dense": "s", "archs": ["a"]},
            {"test": FALL + 1, "train": FALL},
        ),
    ],
)
def test_the_papers_design_supports_what_the_paper_draws(parts_of, claim, roles, curves):
    curves = {("a", part): curve for part, curve in curves.items()}
    whole = verdicts_on_claim(claim, parts_of(claim, curves, **roles))
    assert np.mean(whole == "supported") > 0.8
    assert np.mean(whole == "not supported") < 0.001


def test_it_supports_that_stopping_and_convolutions_make_curves_monotonic(parts_of):
    curves = {("a", "test"): U, ("b", "test"): L}
    whole = verdicts_on_claim(
        "sparse_early_stopping",
        parts_of("sparse_early_stopping", curves, sparse="s", shallow="a", stopped="b"),
    )
    assert np.mean(whole == "supported") > 0.8
    curves[("a", "test")] = FALL + 2 * SMALL_END
    whole = verdicts_on_claim(
        "cnn_monotone", parts_of("cnn_monotone", curves, sparse="s", shallow="a", deep="b")
    )
    assert np.mean(whole == "supported") > 0.8


@pytest.mark.parametrize(("curve", "claim"), [(U, "sparse_l_shape"), (L, "sparse_u_shape")])
def test_it_tells_a_u_from_an_l(parts_of, curve, claim):
    curves = {("a", "test"): curve, ("a", "train"): FALL}
    whole = verdicts_on_claim(
        claim, parts_of(claim, curves, **(U_ROLES if claim == "sparse_u_shape" else L_ROLES))
    )
    assert np.mean(whole == "not supported") > 0.8
    assert np.mean(whole == "supported") < 0.001


@pytest.mark.parametrize("rise", [0, 2, 4.9, 5.1, 8, 20])
def test_no_curve_is_both_a_u_and_an_l(rise):
    def world(split, arch, beta, part, metrics):
        fall = 60 * max(0, math.log10(beta) + 1)
        return {"distortion": 60 + fall + rise * (beta == 0.001) * (part == "test")}

    both = [only_verdict(verdicts(f"sparse_{shape}_shape", world=world)) for shape in "ul"]
    assert sorted(both) == ["not supported", "supported"]


def test_a_bump_on_the_way_down_makes_no_u_of_an_l(parts_of):
    parts = parts_of("sparse_l_shape", {("a", "test"): BUMP}, **L_ROLES)
    (bump,) = (verdicts_on(*found) for found in parts if "before smallest" in found[0].name)
    assert np.mean(bump == "not supported") > 0.5
    assert np.mean(bump == "supported") < 0.001
    assert np.mean(verdicts_on_claim("sparse_l_shape", parts) == "supported") > 0.8
