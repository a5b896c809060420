"""Tables of made-up worlds: one in which all that the paper says is so, and others that differ."""

import itertools
import math

import numpy as np
import pandas as pd

from rdpipe.claims.judging import judge

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
THREE = {"dense": "default", "sparse": "cv-16k", "checkerboard": "checkerboard"}
TEST_ALONE = ("memorization", "decoder_memorization")
ARCH_ROLES = {"archs", "shallow", "deep", "stopped", "no_marginal_kl", "no_mi"}
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
        "decoder_memorization": 0.3 + 0.5 * high * sparsity,
    }


def distances_as_the_paper_says(split):
    return np.linspace(1, 3, 201) + 4 * SPARSITY[split] + 0.1 * (split == "checkerboard")


def tables(
    splits, archs, *, world=None, noise=0.02, seeds=SEEDS, betas=BETAS, distances=None, stream=1
):
    """An experiment's tables; `world` changes the metrics that as_the_paper_says gives a run."""
    random = _Noise(stream)
    rows = []
    for split, arch, beta, part in itertools.product(splits, archs, betas, ("train", "test")):
        metrics = as_the_paper_says(split, arch, beta, part)
        metrics |= world(split, arch, beta, part, metrics) if world else {}
        for name in ("mutual_information", "marginal_kl") if part == "test" else TEST_ALONE:
            metrics[name] = math.nan  # not measured there
        run = {"split": split, "split_kind": "cd" if split in CD else "cv", "arch": arch}
        run |= {
            "beta": beta,
            "iteration": 100,
            "part": part,
            "n_train": n_train(split),
            "status": "finished",
        }
        noisy = {name: x + noise * random[name].normal(size=seeds) for name, x in metrics.items()}
        rows += [
            run | {"seed": seed} | {name: x[seed] for name, x in noisy.items()}
            for seed in range(seeds)
        ]
    share = np.linspace(0, 1, 201)
    neighbours = [
        pd.DataFrame(
            {"split": s, "share": share, "distance": (distances or distances_as_the_paper_says)(s)}
        )
        for s in splits
    ]
    return {"runs": pd.DataFrame(rows), "neighbours": pd.concat(neighbours)}


class _Noise(dict):
    """A generator for each metric, so that another metric changes no other numbers."""

    def __init__(self, stream):
        self.stream = stream

    def __missing__(self, name):
        self[name] = np.random.default_rng([self.stream, *name.encode()])
        return self[name]


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


# Claim: who plays its roles, and a world in which it is wrong.
CASES = {
    "dense_no_memorization": (
        {"dense": "default", "archs": ["mlp-1", "mlp-3"]}, only(worse(lambda *_: 10), part="test"),
    ),
    "dense_capacity_helps": (
        {"dense": "default", "shallow": "mlp-1", "deep": "mlp-3"},
        only(worse(lambda *_: 10), arch="mlp-3"),
    ),
    "sparse_u_shape": ({"sparse": "cv-16k", "shallow": "mlp-1"}, only(falling, part="test")),
    "sparse_l_shape": ({"sparse": "cv-16k", "deep": "mlp-3"}, only(rising, part="test")),
    "sparse_early_stopping": (
        {"sparse": "cv-16k", "shallow": "mlp-1", "stopped": "mlp-1-stopped"},
        only(rising, arch="mlp-1-stopped"),
    ),
    "sparse_elbo_peak": (
        {"sparse": "cv-16k", "deep": "mlp-3"}, other(elbo=lambda beta: -beta),
    ),
    "sparse_likelihood_peak": (
        {"sparse": "cv-16k", "deep": "mlp-3"}, other(log_likelihood_5000=lambda beta: -beta),
    ),
    "sparse_smallest_gap": (
        {"sparse": "cv-16k", "deep": "mlp-3"},
        only(worse(lambda _, beta: -9 * (beta < 0.1)), part="test"),
    ),
    "sparse_memorization": (
        {"sparse": "cv-16k", "deep": "mlp-3"},
        other(decoder_memorization=lambda beta: 0.5),  # of a model that underfits

    ),
    "discrepancy_needs_sparsity": (
        {"splits": CV + CD, "shallow": "mlp-1", "deep": "mlp-3"},
        only(
            worse(lambda split, beta: 9 * halvings(split) * (beta > 0.5)), split="cd", arch="mlp-3"
        ),
    ),
    "cd_indistinguishable": (
        {"splits": CD, "deep": "mlp-3"}, only(worse(lambda *_: 9), split="cd-8k"),
    ),
    "cd_weak_dependence": (
        {"splits": CV + CD, "shallow": "mlp-1"},
        only(worse(lambda split, _: 30 * halvings(split)), split="cd"),
    ),
    "checkerboard_distortion": (
        THREE | {"archs": ["mlp-1", "mlp-3"]}, only(worse(lambda *_: 9), split="checkerboard"),
    ),
    "checkerboard_neighbours": (THREE, None),
    "cnn_monotone": (
        {"sparse": "cv-16k", "shallow": "cnn-1", "deep": "cnn-3"}, only(rising, arch="cnn-3"),
    ),
    "other_datasets_minimum": ({"splits": DATASETS, "shallow": "mlp-1"}, only(falling)),
    "other_datasets_capacity": (
        {"splits": DATASETS[:3], "shallow": "mlp-1", "deep": "mlp-3"}, only(falling, arch="mlp-1"),
    ),
    "shapes3d_exception": (
        {"shapes3d": "3dshapes-8k", "shallow": "mlp-1", "deep": "mlp-3"},
        only(falling, arch="mlp-3"),
    ),
    "information_saturates": (
        {"sparse": "cv-16k", "archs": ["mlp-1", "mlp-3"]},
        other(mutual_information=lambda beta: 8.0),
    ),
    "marginal_kl_matters": (
        {
            "sparse": "cv-16k", "deep": "mlp-3",
            "no_marginal_kl": "mlp-3-no-marginal-kl", "no_mi": "mlp-3-no-mi",
        },
        only(worse(lambda *_: 9), arch="mlp-3-no-marginal-kl"),
    ),
    "less_rate_generalizes": ({"splits": ["default", *CV], "archs": ["mlp-1", "mlp-3"]}, rising),
}  # fmt: skip


def entry(claim):
    """The claim as `judge` takes it."""
    return {"name": claim, "experiment": "some", "roles": CASES[claim][0]}


def runs_of(claim, **options):
    """The tables that a claim is about, in a world as `tables` takes it."""
    roles, _ = CASES[claim]
    splits, archs = [], []
    for name, players in roles.items():
        of = archs if name in ARCH_ROLES else splits
        of.extend([players] if isinstance(players, str) else players)
    return tables(splits, archs or ["mlp-1"], **options)


def verdicts(claim, **options):
    return judge({"some": runs_of(claim, **options)}, [entry(claim)])


def only_verdict(judged):
    (verdict,) = set(judged["claim_verdict"])
    return verdict
