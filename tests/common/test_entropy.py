"""Entropy of images that are read as Bernoulli means."""

import math

import numpy as np
import pytest

from rdpipe.common.entropy import bernoulli_entropy


def test_entropy_of_black_and_white_is_zero_and_of_half_grey_almost_log_2():
    assert bernoulli_entropy(np.array([[0, 255]], np.uint8)) == 0
    grey = bernoulli_entropy(np.full((7, 2, 2, 3), 128, np.uint8))
    assert grey == pytest.approx(12 * math.log(2), rel=1e-4)
