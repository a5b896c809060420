import colorsys
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rdpipe.common.entropy import bernoulli_entropy
from rdpipe.common.files import read_json, read_npz, read_parquet
from rdpipe.datasets.tetrominoes import FACTORS, render, sample_factors, write_dataset

PAPER = {
    "angle": (0.0, 360.0),
    "hue": (0.0, 0.875),
    "scale": (2.0, 5.0),
    "x": (8.0, 23.0),
    "y": (8.0, 23.0),
}
SHA256 = "b97d2e9d060cfa9ca8c803def144b060e63779840152b95fc6435079e3287334"


def bins(*numbers: int) -> dict[str, int]:
    return dict(zip(FACTORS, numbers, strict=True))


def draws(n: int, seed: int = 0) -> pd.DataFrame:
    """Unstratified draws of the paper's factors."""
    low, high = np.array(list(PAPER.values())).T
    unit = np.random.default_rng(seed).random((n, 5))
    return pd.DataFrame(low + (high - low) * unit, columns=list(FACTORS))


def slow_image(angle: float, hue: float, scale: float, x: float, y: float) -> np.ndarray:
    """One image (32, 32, 3) in levels of 0 to 255, in floats: every sub-pixel is tried."""
    centres = (np.arange(512) + 0.5) / 16
    dx, dy = np.meshgrid(centres - (x + 0.5), centres - (y + 0.5))
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    # the rotation (u, v) -> (cos u + sin v, -sin u + cos v), undone
    u, v = (cos * dx - sin * dy) / scale, (sin * dx + cos * dy) / scale
    upright = (u > 0) & (u < 1) & (abs(v) < 1.5)
    foot = (u > -1) & (u < 0) & (v > 0.5) & (v < 1.5)
    coverage = (upright | foot).reshape(32, 16, 32, 16).mean(axis=(1, 3))
    return 255 * coverage[..., None] * colorsys.hsv_to_rgb(hue, 1, 1)


def test_images_are_those_of_an_independent_slow_rendering() -> None:
    factors = draws(150)
    slow = np.stack([slow_image(*row) for row in factors.itertuples(index=False)])
    difference = abs(render(factors) - slow)
    # Levels are rounded to whole ones, colours to 2^-20 of one. A sub-pixel is 255/256 levels: of
    # 7.7 million, those within 2^-20 pixels of an edge may fall on its other side.
    exact = difference <= 0.5 + 1e-3
    assert (~exact).sum() <= 5
    assert difference.max() <= 0.5 + 1


@pytest.mark.parametrize("scale", [1.0, 2.0, 5.0])
def test_a_shape_drawn_alone_is_whole_at_every_angle(scale: float) -> None:
    """Its neighbours in a table do not widen the part of the image that is drawn."""
    for angle in range(3, 360, 10):  # no edge runs through centres of sub-pixels
        factors = (float(angle), 0.0, scale, 15.0, 15.0)
        image = render(pd.DataFrame([factors], columns=list(FACTORS)))[0]
        assert abs(image - slow_image(*factors)).max() <= 0.5 + 1


@pytest.mark.parametrize("angle", [0, 90, 180, 270, 360])
def test_upright_shapes_are_exact(angle: float) -> None:
    # blocks of 4 pixels around (16, 16): every pixel is all inside or all outside
    factors = pd.DataFrame([(angle, 0.0, 4.0, 15.5, 15.5)], columns=list(FACTORS))
    shape = np.zeros((32, 32), np.uint8)
    shape[10:22, 16:20] = 255  # upright, on the right
    shape[18:22, 12:16] = 255  # foot, on the left
    image = render(factors)[0]
    assert (image[..., 0] == np.rot90(shape, angle // 90)).all()
    assert (image[..., 1:] == 0).all()


def test_edges_on_the_centres_of_sub_pixels_neither_overlap_nor_gap() -> None:
    # the area in sub-pixels is exact where edges run through centres: 4 blocks of 64 × 64
    x = 15.5 + 1 / 32
    for angle in (0, 90, 180, 270):
        factors = pd.DataFrame([(angle, 0.0, 4.0, x, x)], columns=list(FACTORS))
        covered = np.rint(render(factors)[..., 0] / 255 * 256).sum()
        assert covered == 4 * 64 * 64


def test_the_covered_area_is_that_of_four_blocks() -> None:
    factors = draws(500, seed=1)
    area = (render(factors).max(axis=-1) / 255).sum(axis=(1, 2))
    np.testing.assert_allclose(area, 4 * factors["scale"] ** 2, rtol=0.02)


def test_no_shape_leaves_the_image_by_more_than_half_a_pixel() -> None:
    angles = np.arange(0, 360, 0.5)
    for x, y in ((8, 8), (8, 23), (23, 8), (23, 23)):
        factors = pd.DataFrame(
            {"angle": angles, "hue": 0.0, "scale": 5.0, "x": float(x), "y": float(y)}
        )
        lost = 4 * 25 - (render(factors)[..., 0] / 255).sum(axis=(1, 2))
        assert lost.max() < 0.5  # pixels, of 100
    u, v = np.array([[0, 1, 1, -1, -1, 0], [-1.5, -1.5, 1.5, 1.5, 0.5, 0.5]])  # the J's corners
    reach = 5 * np.hypot(u, v).max()
    for centre in (8.5, 23.5):
        assert centre - reach > -0.52
        assert centre + reach < 32.52


def test_the_bernoulli_entropy_is_the_papers() -> None:
    full = sample_factors(0, bins(16, 8, 5, 16, 16), PAPER)
    rows = np.random.default_rng(0).permutation(len(full))[:2000]
    assert bernoulli_entropy(render(full.iloc[rows])) == pytest.approx(49.2, abs=0.6)


def test_entropy_is_summed_over_pixels_and_averaged_over_images() -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[0, 0, 0], images[1] = 51, 255
    p = 51 / 255
    assert bernoulli_entropy(images) == pytest.approx(-3 * (p * np.log(p) + 0.8 * np.log(0.8)) / 2)


def test_every_bin_has_one_draw() -> None:
    numbers = (4, 3, 2, 5, 6)
    factors = sample_factors(7, bins(*numbers), PAPER)
    low, high = np.array(list(PAPER.values())).T
    cells = np.floor((factors.to_numpy() - low) / (high - low) * numbers).astype(int)
    assert [tuple(cell) for cell in cells] == list(np.ndindex(numbers))


def test_the_order_of_bins_and_limits_is_of_no_account() -> None:
    numbers = bins(2, 3, 1, 2, 2)
    backwards = (dict(reversed(mapping.items())) for mapping in (numbers, PAPER))
    pd.testing.assert_frame_equal(sample_factors(0, *backwards), sample_factors(0, numbers, PAPER))


def test_the_same_seed_is_the_same_bytes_on_any_machine_with_any_threads() -> None:
    factors = sample_factors(0, bins(4, 4, 2, 4, 4), PAPER)
    one, two = render(factors, threads=1), render(factors, threads=2)
    assert hashlib.sha256(one.tobytes()).hexdigest() == SHA256
    assert (one == two).all()


def test_a_dataset_is_images_factors_and_a_manifest(tmp_path: Path) -> None:
    options = {"seed": 1, "bins": bins(2, 2, 1, 3, 2), "limits": PAPER}
    write_dataset(tmp_path, **options)
    images, factors = read_npz(tmp_path / "images.npz")["images"], sample_factors(**options)
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "factors.parquet"), factors)
    assert (images == render(factors)).all()
    assert read_json(tmp_path / "manifest.json") == {
        "kind": "tetrominoes",
        "n": 24,
        "shape": [32, 32, 3],
        "factors": {name: list(limits) for name, limits in PAPER.items()},
        "entropy": pytest.approx(bernoulli_entropy(images), abs=1e-8),
    }
