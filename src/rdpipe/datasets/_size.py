"""Square images brought to another size without interpolation."""

import numpy as np

from rdpipe.datasets._sides import check_side

BLOCK = 1024  # images averaged at a time; their sums need twice the bytes


def resized(images: np.ndarray, size: int | None) -> np.ndarray:
    """Square images (N, H, H, C) uint8 as (N, size, size, C).

    A larger size adds the same black rim on all four sides. A smaller size averages by area and
    rounds the mean to the nearest level, halves up. None leaves the images as they are.

    Raises
    ------
    RdpipeError
        If a larger size differs by an odd number, or a smaller one is no divisor of the native.
    """
    native = images.shape[1]
    check_side(size, native)
    if size is None or size == native:
        return images
    if size > native:
        rim = ((size - native) // 2,) * 2
        return np.pad(images, ((0, 0), rim, rim, (0, 0)))
    small = np.empty((len(images), size, size, images.shape[3]), np.uint8)
    for first in range(0, len(images), BLOCK):
        small[first : first + BLOCK] = _averaged(images[first : first + BLOCK], native // size)
    return small


def _averaged(images: np.ndarray, side: int) -> np.ndarray:
    """Means over squares of `side` × `side` pixels, in integers: the same on any machine."""
    area = side * side
    total = np.zeros_like(images[:, ::side, ::side], np.uint32)
    for row in range(side):
        for column in range(side):
            total += images[:, row::side, column::side]
    return ((2 * total + area) // (2 * area)).astype(np.uint8)
