"""Active units and collapse, of encoders whose codes are known."""

import numpy as np
import pytest
import torch

from rdpipe.diagnostics.active_units import measure
from tests.evaluation import _runs


def model(*weights):
    """An encoder whose unit u has the mean w_u x of a one-pixel image, all widths e^-1."""
    made = _runs.constant_model(1, len(weights), mean=0.0, log_variance=-2.0)
    made["encoder.0.weight"][0, 0] = 1
    made["mean.weight"][0] = torch.tensor(weights)
    return _runs.as_vae(made, (1, 1, 1))


@pytest.mark.parametrize(
    ("weights", "active"), [((0.0, 0.0), 0), ((0.2, 1.0, 0.0), 1), ((5.0, 1.0), 2)]
)
def test_units_whose_mean_varies_by_more_than_the_threshold_are_active(weights, active):
    images = np.array([0, 255] * 8, np.uint8).reshape(-1, 1, 1, 1)  # variance of x: 0.25
    parts = {"train": images, "test": images}
    for part in measure(model(*weights), parts, 1.0, seed=0, threshold=0.01 + 1e-6).values():
        assert part["active_units"] == active
        assert part["collapsed"] == (active == 0)
        assert part["posterior_width"] == pytest.approx(np.exp(-1), rel=1e-6)
