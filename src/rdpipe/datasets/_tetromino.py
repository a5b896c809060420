"""Factors and size of Tetrominoes images. Without NumPy: reading the config needs them, too."""

from typing import Literal, get_args

Factor = Literal["angle", "hue", "scale", "x", "y"]
FACTORS: tuple[Factor, ...] = get_args(Factor)
SIDE = 32  # pixels
