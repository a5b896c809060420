"""Figure 8, and the axis of β."""

import numpy as np

from rdpipe.figures import _style
from tests.figures.page import lines
from tests.figures.synthetic import CV_16K, synthetic_table


def test_figure_8_has_the_estimate_from_batches_beside_the_full_sum(sketch):
    figure, shown = sketch("fig8", splits=CV_16K)
    assert {"mutual_information_batch_mean", "marginal_kl_batch_std"} < {*shown}
    faint = [line for line in figure.axes[0].lines if line.get_alpha()]
    expected = shown[shown["arch"] == "1-layer-mlp"]["mutual_information_batch_mean"]
    np.testing.assert_array_equal(faint[0].get_ydata(), expected)


def test_beta_0_is_shown_on_an_axis_of_beta(sketch):
    table = synthetic_table((0.0, 0.1, 1.0), splits=CV_16K)
    figure, _ = sketch("fig8", table, splits=CV_16K)
    axes = figure.axes[0]
    assert [*lines(axes)[_style.TRAIN.lower(), "-"][:, 0]] == [0, 0.1, 1]
    assert axes.get_xlim()[0] < 0
    assert 0 in axes.get_xticks()
