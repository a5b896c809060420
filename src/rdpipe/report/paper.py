"""How a study differs from the paper's, in words: from the settings of the study alone."""

import math
from collections.abc import Iterable, Iterator

from rdpipe.results import Results, Run

ITERATIONS = 257_000
IMAGES = 163_840  # Tetrominoes, Section 4.1
UNITS = 512  # in every hidden layer of an MLP, Section 4.3
SEEDS = 5
BETAS = 12
DATASETS = ("tetrominoes", "mnist", "fashion_mnist", "smallnorb", "shapes3d")


def differences(results: Results, runs: Iterable[Run]) -> list[str]:
    """Each difference as `here (the paper's)`, such as `400 iterations (257,000)`."""
    runs = [*runs]
    settings = results.about["settings"]
    used = dict.fromkeys(settings["splits"][run.split]["dataset"] for run in runs)
    widths = {settings["archs"][run.arch].get("width", UNITS) for run in runs}
    numbers: list[tuple[set[int], int, str]] = [
        ({results.about["iterations"][-1]}, ITERATIONS, "iterations"),
        (set(_tetrominoes(settings["datasets"][name] for name in used)), IMAGES, "Tetrominoes"),
        (widths, UNITS, "units a layer"),
        ({len(results.seeds)}, SEEDS, "seeds"),
        ({len(results.betas)}, BETAS, "β"),
    ]
    found = [
        f"{' or '.join(f'{one:,}' for one in sorted(here))} {_noun(here, noun)} ({paper:,})"
        for here, paper, noun in numbers
        if here - {paper}
    ]
    others = [name for name in used if settings["datasets"][name]["kind"] not in DATASETS]
    if others:
        found.append(f"a dataset that the paper does not have ({', '.join(others)})")
    return found


def _tetrominoes(datasets: Iterable[dict[str, object]]) -> Iterator[int]:
    """The number of images of each dataset of Tetrominoes: one in each bin of its factors."""
    for dataset in datasets:
        if dataset["kind"] == "tetrominoes":
            bins = dataset["bins"]
            assert isinstance(bins, dict)
            yield math.prod(bins.values())


def _noun(here: set[int], noun: str) -> str:
    return noun.removesuffix("s") if here == {1} and noun in ("iterations", "seeds") else noun
