"""Figure 6: kinds of architectures."""

import numpy as np
import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _style
from tests.figures.page import lines, titled
from tests.figures.synthetic import CV_16K, FOUR_ARCHS, arch, synthetic_table


def test_figure_6_compares_kinds_on_test_and_training_at_each_depth(sketch):
    table = synthetic_table((0.1, 1.0), splits=CV_16K, archs=FOUR_ARCHS)
    figure, _ = sketch("fig6", table, splits=CV_16K, archs=FOUR_ARCHS)
    panels = titled(figure)
    assert [*panels] == ["CV(16k/147k), 1 layer", "CV(16k/147k), 3 layers"]
    of_cnn = table[(table["arch"] == "3-layer-cnn") & (table["part"] == "test")]
    drawn = lines(panels["CV(16k/147k), 3 layers"])
    assert len(drawn) == 4
    np.testing.assert_array_equal(
        drawn[_style.TEST.lower(), "-"], of_cnn[["rate_mean", "distortion_mean"]]
    )


@pytest.mark.parametrize(
    ("archs", "sentence"),
    [
        (FOUR_ARCHS[:2], "kind mlp and of kind cnn"),
        ([*FOUR_ARCHS, arch("mlp", 1, name="wide", width=1024)], "no two architectures of one"),
    ],
)
def test_an_experiment_that_lacks_or_repeats_a_kind_is_refused(archs, sentence, sketch):
    with pytest.raises(RdpipeError, match=sentence):
        sketch("fig6", splits=CV_16K, archs=archs)
