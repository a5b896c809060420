"""What the tests of training share."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from rdpipe.training import train as training


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Models this small are slower on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def images() -> np.ndarray:
    """50 images of 4 x 4 x 3."""
    return np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no busy machine divide the steps of an interval: tests count intervals."""
    monkeypatch.setattr(training, "STRETCH", math.inf)
