"""What the tests of training share."""

import numpy as np
import pytest

from rdpipe.training import train as training


@pytest.fixture(scope="package")
def images() -> np.ndarray:
    """50 images of 4 x 4 x 3."""
    return np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no busy machine divide the steps of an interval: tests count intervals."""
    monkeypatch.setattr(training, "STRETCH", 1e9)
