"""Memorisation and its baseline."""

import numpy as np

from tests.figures.page import lines, titled
from tests.figures.synthetic import CV_16K, synthetic_table


def test_memorization_has_the_densest_split_as_its_baseline(sketch):
    table = synthetic_table((0.1, 1.0))
    figure, shown = sketch("memorization", table)
    drawn = lines(titled(figure)["3-layer MLP"])
    assert len(drawn) == 2
    dense = table[(table["split"] == "default") & (table["arch"] == "3-layer-mlp")]
    np.testing.assert_array_equal(
        drawn["#000000", ":"][:, 1], dense[dense["part"] == "test"]["memorization_mean"]
    )
    assert set(shown["part"]) == {"test"}


def test_a_single_split_is_no_baseline_of_itself(sketch):
    figure, _ = sketch("memorization", splits=CV_16K)
    assert all(style == "-" for _, style in lines(titled(figure)["3-layer MLP"]))
