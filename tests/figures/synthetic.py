"""Tables of an experiment whose curves have the shapes that the paper describes."""

import itertools

import numpy as np
import pandas as pd

from rdpipe.common.files import write_npz, write_parquet

PAPER_BETAS = (0.001, 0.005, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 2.0, 3.0, 5.0)
SPLITS = {"default": ("cv", 81920, 81920), "cv-16k": ("cv", 16384, 147456)}
SIZES = (8192, 16384, 24576, 32768, 40960, 49152, 57344, 65536)
ALL_SPLITS = (
    {"default": SPLITS["default"], "checkerboard": ("checkerboard", 81920, 81920)}
    | {f"cv-{n // 1000}k": ("cv", n, 163840 - n) for n in SIZES}
    | {f"cd-{n // 1000}k": ("cd", n - 70, n + 40) for n in SIZES}  # sizes by chance
)
SAMPLES = (100, 1000, 5000)


VARIANTS = {
    "": {},
    "early stopping": {"early_stopping": 0.1},
    "no marginal KL": {"penalty": "mutual_information"},
    "no MI": {"penalty": "marginal_kl"},
}


def arch(kind, layers, variant="", **settings):
    """An architecture's facts as the plan passes them, by the words for its variant."""
    name = "-".join([f"{layers}-layer-{kind}", *variant.lower().split()])
    plain = {"name": name, "kind": kind, "layers": layers, "latent": 10, "penalty": "rate"}
    plain |= {"prior": {"kind": "standard"}, "likelihood": "bernoulli"}
    return plain | {"early_stopping": None} | VARIANTS[variant] | settings


ARCHS = [arch("mlp", 1), arch("mlp", 3)]
FOUR_ARCHS = [*ARCHS, arch("cnn", 1), arch("cnn", 3)]
CV_16K = {"cv-16k": SPLITS["cv-16k"]}
STOPPED = [*ARCHS, arch("mlp", 1, "early stopping"), arch("mlp", 3, "early stopping")]
ABLATED = [
    arch("mlp", layers, variant) for layers in (1, 3) for variant in ("", "no marginal KL", "no MI")
]


def synthetic_table(betas=PAPER_BETAS, seeds=5, splits=SPLITS, archs=ARCHS):
    """A summary whose curves have the shapes that the paper describes."""
    rows = [
        {"dataset": "tetrominoes", "split": split, "split_kind": kind, "arch": arch["name"]}
        | {"beta": beta, "iteration": 257_000, "part": part, "n_train": n_train, "n_test": n_test}
        | {"n": seeds, "n_diverged": 0}
        | metrics(arch, part, kind, max(beta, 1e-3), n_train)
        | {"n_seeds": seeds, "n_idle": 0, "made_with": "cpu", "note": ""}
        for split, (kind, n_train, n_test) in splits.items()
        for arch, beta, part in itertools.product(archs, betas, ("train", "test"))
    ]
    table = pd.DataFrame(rows)
    if seeds < 2:
        table[[column for column in table if column.endswith("_std")]] = np.nan
    return table


def metrics(arch, part, kind, beta, n_train):
    low, high = (-np.log10(beta) + 0.7) / 3.7, (np.log10(beta) + 3) / 3.7  # 1 at the least, most β
    deep, held_out, log_n = arch["layers"] > 1, part == "test", np.log(n_train)
    sparse = np.log(81920 / n_train) / 1.6 if kind == "cv" else 0.9 * (kind == "checkerboard")
    sparse += (kind == "cd") * n_train / 2e5  # 1 of CV(16k/147k)
    rate = 9 + 18 * low + (70 - 15 * deep) * low**2.5 + 4 * held_out * sparse * low
    distortion = 58 - 3 * deep + 75 * high**4 + 3 * held_out * low
    if arch["kind"] == "cnn":
        distortion, sparse = distortion - 4, sparse / 2
    if arch["early_stopping"]:
        sparse /= 3
    if arch["penalty"] == "mutual_information":
        rate *= 1 + 4 * low
    if arch["penalty"] == "marginal_kl":
        rate, distortion = 14.0 + low, distortion - 50 * high**4
    if held_out:
        distortion += sparse * (15 + (95 * high**1.6 if deep else 40 * low**1.5))
    else:
        distortion -= sparse * (2 + 8 * deep)
    information = min(log_n, rate)
    means = {"rate": rate, "distortion": distortion, "elbo": -rate - distortion}
    for k in SAMPLES:
        ess = k * (0.02 + 0.5 * high**3)
        means |= {f"log_likelihood_{k}": -distortion - rate + 1.5 * np.log(k) * (0.4 + low)}
        means |= {f"log_likelihood_{k}_ess": ess}
    means |= {"log_likelihood_elbo": -distortion - rate - 3}
    means |= {"weight_perplexity": 1 + 0.2 * n_train * high**8, "optimal_gap": 0.002 + 0.02 * low}
    if held_out:
        means |= {"memorization": min(1, 0.02 + sparse * (0.1 + 0.6 * deep * high))}
    else:
        terms = {"mutual_information": information - 0.05, "marginal_kl": max(rate - log_n, 0.3)}
        means |= {"mixture_saving": 0.4 * terms["marginal_kl"]}
        means |= terms | {f"{name}_batch": 0.93 * mean for name, mean in terms.items()}
    noise = {"rate": 0.02 * rate, "distortion": 1 + 5 * sparse * held_out, "memorization": 0.02}
    noise |= {"optimal_gap": 0.001, "weight_perplexity": 0.1 * means["weight_perplexity"]}
    noise |= {name: 0.01 * mean for name, mean in means.items() if name.endswith("_ess")}
    return {f"{name}_mean": mean for name, mean in means.items()} | {
        f"{name}_std": noise.get(name, 0.4) for name in means
    }


def synthetic_pictures(betas, splits, archs, channels=3):
    """Pictures of each split in a size of its own."""
    pairs = list(itertools.product(archs, betas))
    arrays = {}
    for side, split in enumerate(splits, 8):
        image = (2, side, side, channels)
        random = np.random.default_rng(side)
        named = {
            "arch": np.array([arch["name"] for arch, _ in pairs]),
            "beta": np.array([beta for _, beta in pairs], float),
            "reconstruction": random.integers(0, 256, (len(pairs), *image), np.uint8),
            "optimal": random.integers(0, 256, (len(pairs), *image), np.uint8),
            "input": random.integers(0, 256, image, np.uint8),
            "neighbour": random.integers(0, 256, image, np.uint8),
            "distance": np.ones(2),
        }
        arrays |= {f"{split}/{name}": array for name, array in named.items()}
    return arrays


def synthetic_neighbours(splits):
    """Distances of test images to train: the farther, the fewer there are."""
    share = np.linspace(0, 1, 201)
    scale = {"cv": 1.0, "cd": 0.4, "checkerboard": 1.9}
    curves = [
        {"split": split, "share": share}
        | {"distance": 9 * scale[kind] * n_train**-0.15 * (0.3 + 2 * share + share**9)}
        for split, (kind, n_train, _) in splits.items()
    ]
    return pd.concat([pd.DataFrame(curve) for curve in curves])


def experiment(folder, table, splits=SPLITS, archs=ARCHS, datasets=None, channels=3):
    """Write an experiment's files; return the paths and facts that its figures are drawn from."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = table[["split", "arch", "beta", "iteration", "part"]].assign(
        seed=0, status=np.where(table["n"] > 0, "finished", "diverged")
    )
    betas = sorted(set(table["beta"]))
    paths = {name: folder / name for name in ("summary", "runs", "neighbours", "reconstructions")}
    write_parquet(paths["summary"], table)
    write_parquet(paths["runs"], runs)
    write_parquet(paths["neighbours"], synthetic_neighbours(splits))
    pictures = synthetic_pictures(betas, splits, archs, channels)
    write_npz(paths["reconstructions"], **pictures)
    kinds = {name: (datasets or {}).get(name, "tetrominoes") for name in splits}
    facts = [{"name": name, "dataset": kind, "dataset_kind": kind} for name, kind in kinds.items()]
    return paths, {"splits": facts, "archs": archs}


def toy_dataset(folder, n=200):
    """Write a dataset of random images and factors; return the paths of both."""
    random = np.random.default_rng(0)
    factors = pd.DataFrame(random.random((n, 3)), columns=["angle", "hue", "x"])
    write_parquet(folder / "factors.parquet", factors)
    write_npz(folder / "images.npz", images=random.integers(0, 256, (n, 8, 8, 3), np.uint8))
    return {
        name: folder / f"{name}.{kind}"
        for name, kind in (("images", "npz"), ("factors", "parquet"))
    }
