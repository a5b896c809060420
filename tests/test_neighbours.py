from pathlib import Path

import numpy as np
import pytest

from rdpipe import neighbours
from rdpipe.common.files import read_parquet, write_npz
from rdpipe.neighbours import nearest, write_neighbours


def random_images(seed: int, n: int, shape: tuple[int, ...], levels: int = 256) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, levels, (n, *shape))
    return (values * (255 // (levels - 1))).astype(np.uint8)


def brute_force(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = train.reshape(len(train), -1).astype(np.int64)
    squares = np.array([((y - x) ** 2).sum(axis=1) for x in test.reshape(len(test), -1)])
    return squares.argmin(axis=1), squares.min(axis=1)


def assert_exact(train: np.ndarray, test: np.ndarray) -> None:
    for found, truth in zip(nearest(train, test), brute_force(train, test), strict=True):
        np.testing.assert_array_equal(found, truth)


@pytest.mark.parametrize("shape", [(1, 1, 1), (28, 28, 1), (32, 32, 3), (19, 18, 3)])
def test_the_nearest_image_and_its_distance_are_exact(shape: tuple[int, ...]) -> None:
    assert_exact(random_images(0, 61, shape), random_images(1, 47, shape))


def test_no_sum_is_rounded_however_bright_the_images_are() -> None:
    # one unit apart where squares are 2^27: float32 sums would call them equal
    train = np.full((3, 64, 64, 3), 255, np.uint8)
    train[0, 0, 0, 0], train[1, 0, 0, 0], train[2, 0, 0, 0] = 2, 0, 1
    test = np.zeros((1, 64, 64, 3), np.uint8)
    index, square = nearest(train, test)
    assert (index[0], square[0]) == (1, 255**2 * (64 * 64 * 3 - 1))


def test_images_too_large_for_32_bits_are_exact_too() -> None:
    train = np.concatenate([np.full((1, 200, 200, 1), value, np.uint8) for value in (255, 254)])
    assert nearest(train, np.zeros((1, 200, 200, 1), np.uint8))[1][0] == 254**2 * 40_000


def test_of_several_equally_near_images_the_first_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "TRAIN_BLOCK", 7)
    train, test = random_images(2, 300, (2, 2, 1), levels=2), random_images(3, 50, (2, 2, 1), 2)
    assert_exact(train, test)  # 16 different images, so each has many copies, in many blocks


def test_a_training_image_is_its_own_neighbour() -> None:
    images = random_images(4, 40, (8, 8, 3))
    index, square = nearest(images, images)
    assert (index == np.arange(40)).all()
    assert (square == 0).all()


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 5), (47, 61), (48, 64)])
def test_blocks_need_not_divide(monkeypatch: pytest.MonkeyPatch, rows: int, columns: int) -> None:
    monkeypatch.setattr(neighbours, "TEST_BLOCK", rows)
    monkeypatch.setattr(neighbours, "TRAIN_BLOCK", columns)
    assert_exact(random_images(5, 61, (32, 32, 3)), random_images(6, 47, (32, 32, 3)))


def test_distances_are_those_of_intensities_in_the_order_of_the_test_part(tmp_path: Path) -> None:
    train, test = random_images(7, 30, (8, 8, 3)), random_images(8, 20, (8, 8, 3))
    write_npz(tmp_path / "train.npz", images=train, index=np.arange(30))
    write_npz(tmp_path / "test.npz", images=test, index=np.arange(30, 50))
    write_neighbours(tmp_path, train=tmp_path / "train.npz", test=tmp_path / "test.npz")
    table = read_parquet(tmp_path / "distances.parquet")
    assert list(table) == ["nearest", "distance"]
    difference = train[table["nearest"]] / 255 - test / 255
    np.testing.assert_allclose(
        table["distance"], np.sqrt((difference**2).sum(axis=(1, 2, 3))), rtol=1e-12
    )
