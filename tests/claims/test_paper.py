"""What a reader of verdicts may rely on.

The tables are of a world in which all that the paper says is so. Each claim must come out supported
there, not supported in a world that differs in the one thing it is about, and undetermined where
noise drowns it.
"""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from rdpipe.claims.contrasts import per_halving, valley
from rdpipe.claims.intervals import difference, largest
from rdpipe.claims.judging import COLUMNS, judge
from rdpipe.claims.paper import CLAIMS, all_parts, most_parts
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_parquet, write_parquet
from rdpipe.figures import claims as figure

BETAS = (0.001, 0.01, 0.1, 0.3, 1.0, 2.0, 5.0)
SEEDS = 5

# How far test examples are from training examples: 0 on the dense split, 1 on the sparse.
SPARSITY = {
    "default": 0, "cv-8k": 2, "cv-16k": 1, "cv-33k": 0.5, "cv-57k": 0.2, "checkerboard": 1,
    "cd-8k": 0.3, "cd-16k": 0.3, "cd-33k": 0.3, "cd-57k": 0.3,
    "mnist-8k": 1, "fashion-mnist-8k": 1, "smallnorb-8k": 1, "3dshapes-8k": 1,
}  # fmt: skip
CV, CD = ([f"{kind}-{size}" for size in ("8k", "16k", "33k", "57k")] for kind in ("cv", "cd"))
DATASETS = ["mnist-8k", "fashion-mnist-8k", "smallnorb-8k", "3dshapes-8k"]
N_TRAIN = {"8k": 8192, "16k": 16384, "33k": 32768, "57k": 57344}


def n_train(split):
    return N_TRAIN.get(split.rpartition("-")[2], 81920)


def as_the_paper_says(split, arch, beta, part):
    """All metrics of a run, without noise."""
    x = math.log10(beta)
    high, low = max(0, x + 1) / math.log10(50), max(0, -1 - x) / 2  # from 0 at β = 0.1 to 1
    sparsity, deep = SPARSITY[split], "-3" in arch
    rate = 10 + 10 * max(0, -x) - 2 * deep
    distortion = 60 + 60 * high**2 - 3 * deep
    if part == "test":
        if deep and split == "3dshapes-8k":
            overfit = 25 * low
        elif deep:
            overfit = 20 * high + 0.6 * low
        else:
            overfit = 12 * low * (0.2 if "cnn" in arch else 1) * ("stopped" not in arch)
        distortion += sparsity * (2 + overfit)
    if split.startswith("cd"):
        distortion += 0.2 * math.log2(n_train(split))
    if arch.endswith("no-marginal-kl"):
        distortion -= 5
    log_n = math.log(n_train(split))
    elbo = -distortion - rate
    return {
        "distortion": distortion,
        "excess_distortion": distortion - 49,
        "rate": rate,
        "elbo": elbo,
        "log_likelihood_100": -elbo,  # more samples are better
        "log_likelihood_5000": elbo + 5,
        "mutual_information": log_n - (0.01 if beta < 1 else 0.05 + 2 * x),
        "marginal_kl": 2 + 20 * max(0, -x),
        "memorization": 0.5 * high * sparsity,
    }


def distances_as_the_paper_says(split):
    return np.linspace(1, 3, 201) + 4 * SPARSITY[split] + 0.1 * (split == "checkerboard")


def tables(
    splits, archs, *, world=None, noise=0.02, seeds=SEEDS, betas=BETAS, distances=None, stream=1
):
    """An experiment's tables; `world` changes the metrics that as_the_paper_says gives a run."""
    random = np.random.default_rng(stream)
    rows = []
    for split, arch, beta, part in itertools.product(splits, archs, betas, ("train", "test")):
        metrics = as_the_paper_says(split, arch, beta, part)
        metrics |= world(split, arch, beta, part, metrics) if world else {}
        for name in ("mutual_information", "marginal_kl") if part == "test" else ("memorization",):
            metrics[name] = math.nan  # not measured there
        run = {"split": split, "split_kind": "cd" if split in CD else "cv", "arch": arch}
        run |= {"beta": beta, "part": part, "n_train": n_train(split), "status": "finished"}
        names, values = [*metrics], [*metrics.values()]
        for seed, draws in enumerate(random.normal(size=(seeds, len(names)))):
            rows.append(
                run | {"seed": seed} | dict(zip(names, values + noise * draws, strict=True))
            )
    share = np.linspace(0, 1, 201)
    neighbours = [
        pd.DataFrame(
            {"split": s, "share": share, "distance": (distances or distances_as_the_paper_says)(s)}
        )
        for s in splits
    ]
    return {"runs": pd.DataFrame(rows), "neighbours": pd.concat(neighbours)}


def falling(split, arch, beta, part, metrics):
    """D falls with β: no minimum, no rise."""
    return of_distortion(80 + 10 * math.log10(beta))


def rising(split, arch, beta, part, metrics):
    """D rises as β falls."""
    return of_distortion(80 - 10 * math.log10(beta))


def of_distortion(distortion):
    return {"distortion": distortion, "excess_distortion": distortion - 49}


def only(world, *, split="", arch="", part=""):
    """A world that differs only in some runs: those of a split, an architecture, a part."""

    def changed(s, a, beta, p, metrics):
        here = s.startswith(split) and a.startswith(arch) and p.startswith(part)
        return world(s, a, beta, p, metrics) if here else {}

    return changed


def worse(nats):
    """D higher by so much; a function of split and β."""
    return lambda split, arch, beta, part, metrics: of_distortion(
        metrics["distortion"] + nats(split, beta)
    )


def other(**values):
    """Metrics of other values, functions of β."""
    return lambda split, arch, beta, part, metrics: {k: v(beta) for k, v in values.items()}


def halvings(split):
    return 16 - math.log2(n_train(split))


# Claim: the splits and architectures it is about, and a world in which it is wrong.
CASES = {
    "dense_no_memorization": (
        ["default"], ["mlp-1", "mlp-3"], only(worse(lambda *_: 10), part="test"),
    ),
    "dense_capacity_helps": (
        ["default"], ["mlp-1", "mlp-3"], only(worse(lambda *_: 10), arch="mlp-3"),
    ),
    "sparse_u_shape": (["cv-16k"], ["mlp-1"], only(falling, part="test")),
    "sparse_l_shape": (["cv-16k"], ["mlp-3"], only(rising, part="test")),
    "sparse_early_stopping": (
        ["cv-16k"], ["mlp-1", "mlp-1-stopped"], only(rising, arch="mlp-1-stopped"),
    ),
    "sparse_elbo_peak": (["cv-16k"], ["mlp-3"], other(elbo=lambda beta: -beta)),
    "sparse_likelihood_peak": (
        ["cv-16k"], ["mlp-3"], other(log_likelihood_5000=lambda beta: -beta),
    ),
    "sparse_smallest_gap": (
        ["cv-16k"], ["mlp-3"], only(worse(lambda _, beta: -9 * (beta < 0.1)), part="test"),
    ),
    "sparse_memorization": (["cv-16k"], ["mlp-3"], other(memorization=lambda beta: 0.5)),
    "discrepancy_needs_sparsity": (
        CV + CD, ["mlp-1", "mlp-3"],
        only(
            worse(lambda split, beta: 9 * halvings(split) * (beta > 0.5)), split="cd", arch="mlp-3"
        ),
    ),
    "cd_indistinguishable": (CD, ["mlp-3"], only(worse(lambda *_: 9), split="cd-8k")),
    "cd_weak_dependence": (
        CV + CD, ["mlp-1"], only(worse(lambda split, _: 30 * halvings(split)), split="cd"),
    ),
    "checkerboard_distortion": (
        ["default", "cv-16k", "checkerboard"], ["mlp-1", "mlp-3"],
        only(worse(lambda *_: 9), split="checkerboard"),
    ),
    "checkerboard_neighbours": (["default", "cv-16k", "checkerboard"], ["mlp-1"], None),
    "cnn_monotone": (["cv-16k"], ["cnn-1", "cnn-3"], only(rising, arch="cnn-3")),
    "other_datasets_minimum": (DATASETS, ["mlp-1"], only(falling)),
    "other_datasets_capacity": (DATASETS[:3], ["mlp-1", "mlp-3"], only(falling, arch="mlp-1")),
    "shapes3d_exception": (["3dshapes-8k"], ["mlp-1", "mlp-3"], only(falling, arch="mlp-3")),
    "information_saturates": (
        ["cv-16k"], ["mlp-1", "mlp-3"], other(mutual_information=lambda beta: 8.0),
    ),
    "marginal_kl_matters": (
        ["cv-16k"], ["mlp-3", "mlp-3-no-marginal-kl", "mlp-3-no-mi"],
        only(worse(lambda *_: 9), arch="mlp-3-no-marginal-kl"),
    ),
    "less_rate_generalizes": (["default", *CV], ["mlp-1", "mlp-3"], rising),
}  # fmt: skip


def entry(claim):
    splits, archs, _ = CASES[claim]
    return {"name": claim, "experiment": "some", "splits": splits, "archs": archs}


def verdicts(claim, **options):
    splits, archs, _ = CASES[claim]
    return judge({"some": tables(splits, archs, **options)}, [entry(claim)])


def only_verdict(judged):
    (verdict,) = set(judged["claim_verdict"])
    return verdict


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
    *_, world = CASES[claim]
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


@pytest.mark.parametrize("claim", sorted(CASES.keys() - {"checkerboard_neighbours"}))
def test_two_seeds_leave_a_claim_undetermined(claim):
    judged = verdicts(claim, seeds=2)
    assert set(judged["verdict"]) == {"undetermined"}
    assert judged["note"].str.contains("seeds with all runs: 2").all()


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


def test_what_was_not_measured_leaves_a_claim_undetermined():
    splits, archs, _ = CASES["sparse_likelihood_peak"]
    some = tables(splits, archs)
    some["runs"] = some["runs"].drop(columns=["log_likelihood_100", "log_likelihood_5000"])
    judged = judge({"some": some}, [entry("sparse_likelihood_peak")])
    assert judged["note"].item() == "log p(x) was not measured"
    some["runs"]["elbo"] = some["runs"]["elbo"].where(some["runs"]["beta"] != 1)
    judged = judge({"some": some}, [entry("sparse_elbo_peak")])
    assert "elbo on test is not a number" in judged["note"].item()


def test_a_seed_with_a_diverged_run_is_left_out_and_the_run_counted():
    splits, archs, _ = CASES["sparse_u_shape"]
    some = tables(splits, archs)
    runs = some["runs"]
    diverged = (runs["seed"] == 3) & (runs["beta"] == 5)
    runs.loc[diverged, "status"] = "diverged"
    runs.loc[diverged, ["distortion", "elbo"]] = math.nan
    judged = judge({"some": some}, [entry("sparse_u_shape")])
    assert only_verdict(judged) == "supported"
    assert set(judged["n"]) == {4}
    assert set(judged["n_diverged"]) == {1}


def test_the_sparse_effects_are_those_of_the_world():
    judged = verdicts("sparse_u_shape", noise=0).set_index("part")
    assert judged["effect"].tolist() == pytest.approx([0, 60, 12])
    assert judged["low"].tolist() == judged["effect"].tolist() == judged["high"].tolist()
    assert set(judged["unit"]) == {"nats"}


def test_a_trend_is_per_halving_of_the_training_set():
    world = only(worse(lambda split, _: 7 * halvings(split)), split="cv")
    judged = verdicts("cd_weak_dependence", world=world, noise=0).set_index("part")
    plain = verdicts("cd_weak_dependence", noise=0).set_index("part")
    name = "test D, mean over β: half the growth in CV minus that in CD"
    assert judged["effect"][name] - plain["effect"][name] == pytest.approx(7 / 2)


def test_a_curve_that_only_rises_or_only_falls_has_no_minimum():
    betas = [0.01, 0.1, 1.0, 5.0]
    for slope in (-10, 10):
        curve = pd.DataFrame([[slope * i + seed for i in range(4)] for seed in (0, 1, 2)])
        curve.columns = betas
        assert (valley(curve) < 0).all(axis=None)
    curve[0.1] -= 30
    assert valley(curve).max(axis=1).tolist() == [20, 20, 20]


def test_two_splits_of_one_size_both_count_in_a_trend():
    one, other, smaller = (pd.Series([value]) for value in (0.0, 10.0, 25.0))
    trend = per_halving([(4096, one), (4096, other), (2048, smaller)])
    assert trend.tolist() == pytest.approx([20])


def test_a_verdict_has_all_that_a_reader_needs():
    judged = verdicts("sparse_u_shape")
    assert [*judged] == COLUMNS
    assert judged[
        ["claim", "experiment", "splits", "archs"]
    ].drop_duplicates().to_numpy().tolist() == [["sparse_u_shape", "some", "cv-16k", "mlp-1"]]
    assert judged["sentence"].str.startswith("The distortion on the training set").all()
    assert judged["conditional_on"].str.contains("split").all()


def test_a_wrong_number_of_splits_or_archs_is_refused():
    some = {"some": tables(["cv-16k"], ["mlp-1"])}
    bad = entry("sparse_u_shape") | {"archs": ["mlp-1", "mlp-3"]}
    with pytest.raises(RdpipeError, match="'sparse_u_shape' lists 2 archs, but is about 1"):
        judge(some, [bad])
    with pytest.raises(RdpipeError, match="there is no claim 'vae_is_best'"):
        judge(some, [entry("sparse_u_shape") | {"name": "vae_is_best"}])


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


def test_one_effect_has_students_interval():
    effects = np.array([1.0, 2, 3, 4, 5])[:, None]
    interval = largest(effects)
    half = 2.7764 * math.sqrt(2.5 / 5)  # the 97.5 % point of Student's t with 4 degrees of freedom
    assert interval.n == 5
    assert (interval.low, interval.effect, interval.high) == pytest.approx(
        (3 - half, 3, 3 + half), abs=1e-4
    )


def test_a_seed_without_all_effects_is_left_out():
    effects = np.random.default_rng(0).normal(size=(6, 3))
    lacking = effects.copy()
    lacking[2, 1] = math.nan
    assert largest(lacking) == largest(np.delete(effects, 2, 0))
    assert largest(lacking).n == 5
    assert largest(np.full((4, 3), math.nan)).n == 0


CANDIDATES = {
    "a mean": lambda noise: noise[:, :1],
    "a size": lambda noise: np.hstack([noise[:, :1], -noise[:, :1]]),
    "above the minimum": lambda noise: noise[:, :1] - noise,
    "all pairs": lambda noise: np.stack(
        [noise[:, i] - noise[:, j] for i, j in itertools.combinations(range(12), 2)], 1
    ),
    "one of twelve": lambda noise: noise + np.eye(12)[3],
}


@pytest.mark.parametrize("kind", CANDIDATES)
def test_an_end_of_an_interval_misses_the_largest_effect_in_about_2_5_percent(kind):
    make = CANDIDATES[kind]
    truth = make(np.zeros((1, 12))).max()
    random = np.random.default_rng(0)
    intervals = [largest(make(random.normal(size=(5, 12)))) for _ in range(1500)]
    too_high = np.mean([interval.low > truth for interval in intervals])
    too_low = np.mean([interval.high < truth for interval in intervals])
    # 2.5 % and three standard errors of 1,500 draws; where all is equal, choosing costs most
    assert max(too_high, too_low) < 0.037
    if kind == "a mean":
        assert min(too_high, too_low) > 0.013
    assert all(i.low <= i.effect <= i.high for i in intervals)


def test_a_difference_of_largest_effects_is_covered_too():
    random = np.random.default_rng(0)
    noise = random.normal(size=(1500, 2, 5, 12))
    intervals = [difference(*(CANDIDATES["above the minimum"](x) for x in pair)) for pair in noise]
    assert np.mean([interval.low > 0 for interval in intervals]) < 0.037
    assert np.mean([interval.high < 0 for interval in intervals]) < 0.037


def test_a_difference_of_clear_largest_effects_is_theirs():
    first, second = np.tile([0.0, 7.0], (4, 1)), np.tile([1.0, 4.0, 2.0], (4, 1))
    interval = difference(first, second)
    assert (interval.low, interval.effect, interval.high, interval.n) == (3, 3, 3, 4)
    first[0, 0] = math.nan
    assert difference(first, second).n == 3


@pytest.mark.parametrize("seeds", [2, SEEDS])
def test_the_figure_is_the_table_and_the_same_bytes_again(seeds, tmp_path):
    shown_claims = ("sparse_u_shape", "checkerboard_neighbours", "sparse_elbo_peak")
    claims, inputs = [], {}
    for claim in shown_claims:
        splits, archs, _ = CASES[claim]
        claims.append(entry(claim) | {"experiment": claim})
        for name, table in tables(splits, archs, seeds=seeds, betas=BETAS[1:]).items():
            inputs[f"{claim}/{name}"] = tmp_path / f"{claim}-{name}.parquet"
            write_parquet(inputs[f"{claim}/{name}"], table)
    files = []
    for folder in (tmp_path / "once", tmp_path / "again"):
        figure.draw(folder, inputs=inputs, claims=claims)
        files.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert files[0] == files[1]
    assert [*files[0]] == ["claims.csv", "claims.pdf", "claims.png"]
    shown = pd.read_csv(tmp_path / "once" / "claims.csv")
    read = {
        claim: {n: read_parquet(inputs[f"{claim}/{n}"]) for n in ("runs", "neighbours")}
        for claim in shown_claims
    }
    judged = judge(read, claims)
    assert [*shown] == [*judged]
    for column in ("claim", "claim_verdict", "verdict", "n", "effect", "low", "high"):
        kept = shown[column].to_numpy()
        if column in ("effect", "low", "high"):
            np.testing.assert_allclose(kept, judged[column], rtol=1e-8)
        else:
            assert kept.tolist() == judged[column].tolist()
