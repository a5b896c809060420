"""Images of one size brought to another without interpolation."""

import numpy as np

from rdpipe.common.errors import RdpipeError

BLOCK = 1024  # images averaged at a time; their sums need twice the bytes


def check_size(size: int | None, native: int) -> None:
    """Refuse a size that `resized` cannot give, with an RdpipeError; None is the native one."""
    if size is None or size == native:
        return
    if size > native and (size - native) % 2 == 0:
        return
    if 0 < size < native and native % size == 0:
        return
    smaller = [str(k) for k in range(1, native) if native % k == 0]
    raise RdpipeError(
        f"size: images of {native} × {native} pixels cannot be brought to {size}; give a divisor "
        f"({', '.join(smaller)}), {native} and any even number more, or null for {native}."
    )


def resized(images: np.ndarray, size: int | None) -> np.ndarray:
    """Square images (N, H, H, C) uint8 as (N, size, size, C).

    A larger size is padded with black, alike on all sides. A smaller one is averaged by area, and
    the mean is rounded to the nearest level, halves up. `None` leaves images as they are.

    Raises
    ------
    RdpipeError
        If the larger size differs by an odd number, or the smaller one is no divisor.
    """
    native = images.shape[1]
    check_size(size, native)
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
