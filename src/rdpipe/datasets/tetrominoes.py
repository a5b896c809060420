"""Tetrominoes (paper, Section 4.1): images of a J with five continuous factors of variation.

The same factors give the same bytes on any machine. So no pixel may depend on the last bit of a
float: factors are rounded once to integers, and every decision after that is exact.
"""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from rdpipe.common.progress import Progress
from rdpipe.datasets._common import write
from rdpipe.datasets._tetromino import FACTORS, SIDE

SUB = 16  # sub-pixels along a pixel's side; a pixel is the share of its 256 that are covered
ONE = 20  # bits after the point of every fixed-point number: 2^-20 of a pixel, of a colour
BLOCK = 128  # images drawn at a time; their sub-rows fit the cache


def write_dataset(
    folder: Path,
    *,
    seed: int,
    bins: Mapping[str, int],
    limits: Mapping[str, tuple[float, float]],
    threads: int = 1,
) -> None:
    """Draw the images of a stratified sample: images.npz, factors.parquet, manifest.json.

    The settings are those of `sample_factors`.
    """
    factors = sample_factors(seed, bins, limits)
    images = render(factors, threads)
    write(folder, "tetrominoes", images, factors, {name: limits[name] for name in FACTORS})


def sample_factors(
    seed: int, bins: Mapping[str, int], limits: Mapping[str, tuple[float, float]]
) -> pd.DataFrame:
    """Stratified sample of the factors: one uniform draw in every cell of the grid of bins.

    `bins` has the number of bins of each factor, `limits` its (low, high): angle in degrees, hue in
    [0, 1], scale (the side of one of the four blocks), x and y in pixels. Returns one float64
    column a factor and one row a cell (N, 5), the last factor running fastest.
    """
    shape = tuple(bins[name] for name in FACTORS)
    cells = np.indices(shape).reshape(len(shape), -1).T  # (N, 5)
    draws = np.random.Generator(np.random.PCG64(seed)).random(cells.shape)
    low, high = np.array([limits[name] for name in FACTORS], np.float64).T
    return pd.DataFrame(low + (high - low) * ((cells + draws) / shape), columns=list(FACTORS))


def render(factors: pd.DataFrame, threads: int = 1) -> np.ndarray:
    """Draw one image a row of `factors`.

    The J is three blocks upright and one more at the foot on the left. It is turned about the
    centre of its 2 × 3 box, which lies at (x + ½, y + ½) pixels from the image's upper left corner.

    `factors` has columns angle [degrees], hue, scale, x and y [pixels]. Returns (N, 32, 32, 3)
    uint8: HSV with the hue, saturation 1 and value = covered fraction, as RGB. `threads` changes
    no byte.
    """
    angle, hue, scale, x, y = factors[list(FACTORS)].to_numpy(np.float64).T
    cos, sin = _cos_sin(angle)
    shape = _fixed(np.stack([cos, sin, scale, x + 0.5, y + 0.5], axis=1))  # (N, 5)
    colour = _fixed(_pure_colour(hue))  # (N, 3)
    images = np.zeros((len(factors), SIDE, SIDE, 3), np.uint8)
    # Shapes of one size at one place make a block, so that few pixels of it need be looked at.
    alike = np.lexsort(np.floor([scale, x, y]))  # (N,)

    def draw(first: int) -> int:
        block = alike[first : first + BLOCK]
        down, across = (_window(centre[block], scale[block]) for centre in (y, x))
        count = _coverage(shape[block], down, across)
        images[block, down, across] = _shade(count, colour[block])
        return len(count)

    progress = Progress(len(images), "images")
    with ThreadPoolExecutor(threads) as pool:
        for n in pool.map(draw, range(0, len(images), BLOCK)):
            progress.update(n)
    return images


def _fixed(value: np.ndarray) -> np.ndarray:
    return np.rint(value * (1 << ONE)).astype(np.int64)


def _cos_sin(degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine from sums and products, which IEEE 754 rounds alike on every machine.

    NumPy's own differ in the last bit between processors. Taylor's series is good to 1e-15 here,
    and right angles are exact.
    """
    quarter = np.rint(degrees / 90)
    t = (degrees - 90 * quarter) * (math.pi / 180)  # within ±π/4
    cos = np.polyval([(-1) ** k / math.factorial(2 * k) for k in range(8, -1, -1)], t * t)
    sin = np.polyval([(-1) ** k / math.factorial(2 * k + 1) for k in range(8, -1, -1)], t * t) * t
    turn = quarter.astype(np.int64) % 4
    return np.choose(turn, [cos, -sin, -cos, sin]), np.choose(turn, [sin, cos, -sin, -cos])


def _pure_colour(hue: np.ndarray) -> np.ndarray:
    """RGB (N, 3) in [0, 1] of hues (N,) in [0, 1], at saturation and value 1."""
    h = 6 * hue
    rgb = np.stack([np.abs(h - 3) - 1, 2 - np.abs(h - 2), 2 - np.abs(h - 4)], axis=1)
    return np.clip(rgb, 0, 1)


def _window(centre: np.ndarray, scale: np.ndarray) -> slice:
    """Pixels, along one side of the image, that any of B shapes may cover; both in pixels (B,).

    Its corners are √13/2 = 1.8 blocks from a shape's centre, which lies half a pixel further on.
    """
    ends = math.floor((centre - 2 * scale).min()), math.ceil((centre + 2 * scale + 1).max())
    return slice(*(min(max(end, 0), SIDE) for end in ends))


def _coverage(shape: np.ndarray, down: slice, across: slice) -> np.ndarray:
    """Covered sub-pixels (B, H, W) int16, 0 to 256, of B shapes in fixed-point numbers (B, 5).

    A sub-pixel is covered if its centre is. A line of sub-pixels meets each of the J's two
    rectangles in one interval, so only the ends of intervals are computed. `down` and `across` are
    the H × W pixels to look at.
    """
    cos, sin, scale, x, y = shape.T
    # One more factor of 2^10, so that distances from lines to edges are multiples of 1024 here.
    cos, sin = cos[:, None] << 10, sin[:, None] << 10
    centres = (2 * np.arange(SIDE * SUB) + 1) << (ONE - 5)  # of sub-pixels, along one side
    lines = centres.reshape(SIDE, SUB)[down].T[:, None, :]  # (16, 1, H): line, image, pixel
    dx, dy = centres[0] - x[:, None], lines - y[:, None]
    # The first sub-pixel of each line in the J's own coordinates: u to the right, v down.
    u, v = cos * dx - sin * dy, sin * dx + cos * dy  # (16, B, H)
    block = scale[:, None] << (ONE + 10)
    left, middle, right = (_crossing(u, cos, edge) for edge in (-block, 0 * block, block))
    top, knee, foot = (_crossing(v, sin, edge * block // 2) for edge in (-3, 1, 3))
    upright = _overlap((middle, right), (top, foot))
    toe = _overlap((left, middle), (knee, foot))
    start, end = np.concatenate([upright, toe], axis=1)  # (32, B, H)
    # Of each line, what lies left of each pixel's left side (and of the last one's right side).
    covered = [
        (np.minimum(end, stop) - np.minimum(start, stop)).sum(axis=0, dtype=np.int16)
        for stop in range(across.start * SUB, across.stop * SUB + 1, SUB)
    ]
    return np.diff(np.stack(covered, axis=-1), axis=-1)


def _crossing(first: np.ndarray, slope: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Index (16, B, H) int16 at which lines cross an edge.

    On one side of it `coordinate < edge` holds, on the other `coordinate >= edge`, so that shapes
    sharing an edge share no sub-pixel.

    `first` (16, B, H) is the coordinate of each line's first sub-pixel; from one to the next it
    grows by 2^16 `slope` (B, 1), a cosine or sine; `edge` (B, 1) is the coordinate of the edge.
    """
    # A line along the edge never crosses it. A step of 1 in place of 0 puts the crossing outside
    # the image, and so all of the line on one side, as edge - first is ≥ 1024 or ≤ 0.
    step = np.where(slope == 0, 1, slope << (ONE - 4))
    index = (edge - first - (step > 0)) // step + 1
    return np.clip(index, 0, SIDE * SUB).astype(np.int16)


def _overlap(
    across: tuple[np.ndarray, np.ndarray], down: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Start and end (2, 16, B, H) of the sub-pixels between two crossings and two others."""
    start = np.maximum(np.minimum(*across), np.minimum(*down))
    end = np.minimum(np.maximum(*across), np.maximum(*down))
    return np.stack([start, np.maximum(start, end)])


def _shade(count: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Pixels (B, H, W, 3) uint8 of coverage (B, H, W) and fixed-point colour (B, 3)."""
    shift = ONE + 8  # 2^20 is full colour, 2^8 full coverage
    value = count[..., None].astype(np.int64) * (255 * colour)[:, None, None, :]
    return ((value + (1 << (shift - 1))) >> shift).astype(np.uint8)
