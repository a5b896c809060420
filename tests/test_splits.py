from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import (
    read_json,
    read_npz,
    read_parquet,
    write_json,
    write_npz,
    write_parquet,
)
from rdpipe.splits import assign, scale_to_unit, write_split

SEEDS = st.integers(0, 2**32)


def uniform(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, d))


def grid(bins: int, d: int) -> np.ndarray:
    """Centres of the cells of a stratified sample, (bins^d, d)."""
    return (np.indices((bins,) * d).reshape(d, -1).T + 0.5) / bins


def count(parts: np.ndarray) -> tuple[int, int, int]:
    train, test, unused = ((parts == part).sum() for part in ("train", "test", "unused"))
    return int(train), int(test), int(unused)


@settings(deadline=None)
@given(n=st.integers(2, 300), share=st.floats(0, 1), d=st.integers(0, 3), seed=SEEDS)
def test_cv_trains_on_n_train_examples_and_tests_on_all_others(
    n: int, share: float, d: int, seed: int
) -> None:
    n_train = 1 + int(share * (n - 2))
    parts = assign(uniform(n, d), kind="cv", seed=seed, n_train=n_train)
    assert count(parts) == (n_train, n - n_train, 0)


@settings(deadline=None)
@given(n=st.integers(3, 300), data=st.data(), seed=SEEDS)
def test_cv_training_parts_of_one_seed_are_nested(n: int, data: st.DataObject, seed: int) -> None:
    small = data.draw(st.integers(1, n - 2))
    large = data.draw(st.integers(small + 1, n - 1))
    inner, outer = (assign(uniform(n, 0), kind="cv", seed=seed, n_train=m) for m in (small, large))
    assert ((inner == "train") <= (outer == "train")).all()


def test_another_seed_is_another_split_and_the_same_seed_the_same() -> None:
    first, again, other = (
        assign(uniform(100, 0), kind="cv", seed=seed, n_train=50) for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()


@settings(deadline=None)
@given(n=st.integers(2, 300), seed=SEEDS)
def test_cd_of_the_whole_space_is_the_default_split(n: int, seed: int) -> None:
    unit = uniform(n, 2)
    default = assign(unit, kind="cv", seed=seed, n_train=n // 2)
    assert (assign(unit, kind="cd", seed=seed, ratio=1.0) == default).all()


@settings(deadline=None)
@given(ratio=st.floats(0.1, 0.9), d=st.integers(1, 5), seed=SEEDS)
def test_cd_keeps_a_centred_box_of_both_halves_of_the_default_split(
    ratio: float, d: int, seed: int
) -> None:
    unit = uniform(1000, d, seed % 7)
    parts = assign(unit, kind="cd", seed=seed, ratio=ratio)
    default = assign(unit, kind="cv", seed=seed, n_train=500)
    used = parts != "unused"
    assert (parts[used] == default[used]).all()
    inside = np.abs(unit - 0.5).max(axis=1) <= ratio ** (1 / d) / 2
    assert (used == inside).all()


@pytest.mark.parametrize("ratio", [0.1, 0.2, 0.4, 0.8])
def test_cd_keeps_the_density_of_the_whole(ratio: float) -> None:
    train, test, unused = count(assign(uniform(50_000, 5), kind="cd", ratio=ratio))
    # share of the examples = share of the volume, within five standard errors
    for part in (train, test):
        assert abs(part - 25_000 * ratio) < 5 * np.sqrt(25_000 * ratio)
    assert train + test + unused == 50_000


@settings(deadline=None)
@given(unit=st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=40, max_size=60))
def test_checkerboard_parts_are_the_parity_of_the_cell(unit: list[tuple[float, ...]]) -> None:
    corners = np.array([(0, 0, 0), (1, 0, 0)])  # one example in each part
    factors = np.concatenate([np.array(unit), corners])
    parts = assign(factors, kind="checkerboard")
    cells = (factors >= 0.5).sum(axis=1)
    assert (parts == np.where(cells % 2 == 0, "train", "test")).all()


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_every_neighbouring_cell_of_the_checkerboard_is_of_the_other_part(d: int) -> None:
    unit = grid(4, d)
    parts = assign(unit, kind="checkerboard")
    for factor in range(d):
        across = unit.copy()
        across[:, factor] = (across[:, factor] + 0.5) % 1
        assert (assign(across, kind="checkerboard") != parts).all()


def test_both_parts_of_the_checkerboard_have_the_whole_range_of_every_factor() -> None:
    unit = grid(4, 5)
    parts = assign(unit, kind="checkerboard")
    for part in ("train", "test"):
        for factor in unit[parts == part].T:
            values, counts = np.unique(factor, return_counts=True)
            assert list(values) == [0.125, 0.375, 0.625, 0.875]
            assert set(counts) == {4**5 // 8}


@pytest.mark.parametrize(
    ("d", "options", "fault"),
    [
        (2, {"kind": "cv", "n_train": 10}, "n_train = 10"),
        (2, {"kind": "cv", "n_train": 0}, "n_train = 0"),
        (2, {"kind": "cv"}, "n_train = None"),
        (2, {"kind": "cd"}, "ratio = None"),
        (2, {"kind": "cd", "ratio": 1.5}, "ratio = 1.5"),
        (2, {"kind": "cd", "ratio": 1e-9}, "no train example"),
        (0, {"kind": "cd", "ratio": 0.5}, "the dataset has none"),
        (0, {"kind": "checkerboard"}, "the dataset has none"),
        (2, {"kind": "random"}, "no kind of split 'random'"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused_in_a_sentence(
    d: int, options: dict[str, object], fault: str
) -> None:
    with pytest.raises(RdpipeError, match=fault):
        assign(uniform(10, d), **options)


def test_factors_are_shares_of_their_ranges_and_fixed_ones_do_not_count() -> None:
    factors = pd.DataFrame(
        {"angle": [0.0, 90.0, 360.0], "scale": [3.0] * 3, "x": [8.0, 23.0, 15.5]}
    )
    limits = {"angle": (0.0, 360.0), "scale": (3.0, 3.0), "x": (8.0, 23.0)}
    assert scale_to_unit(factors, limits).tolist() == [[0, 0], [0.25, 1], [1, 0.5]]


@pytest.fixture
def dataset(tmp_path: Path) -> dict[str, Path]:
    files = {
        "images": tmp_path / "images.npz",
        "factors": tmp_path / "factors.parquet",
        "manifest": tmp_path / "manifest.json",
    }
    images = np.arange(100 * 4, dtype=np.uint16).reshape(100, 2, 2, 1).astype(np.uint8)
    write_npz(files["images"], images=images)
    write_parquet(files["factors"], pd.DataFrame(uniform(100, 2) * 10, columns=["x", "y"]))
    write_json(files["manifest"], {"n": 100, "factors": {"x": [0, 10], "y": [0, 10]}})
    return files


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "cv", "seed": 3, "n_train": 30},
        {"kind": "cd", "seed": 3, "ratio": 0.5},
        {"kind": "checkerboard"},
    ],
)
def test_files_say_where_every_image_went(
    tmp_path: Path, dataset: dict[str, Path], options: dict[str, object]
) -> None:
    write_split(tmp_path, **dataset, **options)
    images = read_npz(dataset["images"])["images"]
    table = read_parquet(tmp_path / "assignment.parquet")
    manifest = read_json(tmp_path / "manifest.json")
    assert list(table) == ["part", "x", "y"]
    assert manifest["kind"] == options["kind"]
    for part in ("train", "test"):
        arrays = read_npz(tmp_path / f"{part}.npz")
        assert arrays["index"].tolist() == np.flatnonzero(table["part"] == part).tolist()
        assert (arrays["images"] == images[arrays["index"]]).all()
        assert manifest[f"n_{part}"] == len(arrays["index"]) > 0
    assert manifest["n_unused"] == (table["part"] == "unused").sum()


def test_a_dataset_without_factors_can_be_split_at_random(
    tmp_path: Path, dataset: dict[str, Path]
) -> None:
    write_json(dataset["manifest"], {"n": 100, "factors": {}})
    write_parquet(dataset["factors"], pd.DataFrame({"label": range(100)}))
    write_split(tmp_path, **dataset, kind="cv", n_train=40)
    table = read_parquet(tmp_path / "assignment.parquet")
    assert list(table) == ["part", "label"]
    assert (table["part"] == "train").sum() == 40
