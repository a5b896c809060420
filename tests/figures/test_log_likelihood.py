"""log p(x) beside the ELBO."""

import numpy as np
import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _style
from tests.figures.page import lines
from tests.figures.synthetic import ARCHS, CV_16K, synthetic_table


def test_log_likelihood_shows_the_most_samples_full_and_their_effective_share(sketch):
    table = synthetic_table((0.1, 1.0), splits=CV_16K, archs=ARCHS[:1])
    figure, shown = sketch("log_likelihood", table, splits=CV_16K, archs=ARCHS[:1])
    main, effective = figure.axes
    test = table[table["part"] == "test"]
    drawn = lines(main)[_style.TEST.lower(), "-"]
    np.testing.assert_array_equal(drawn[:, 1], test["log_likelihood_5000_mean"])
    share = lines(effective)[_style.TEST.lower(), "-"][:, 1]
    np.testing.assert_allclose(share, test["log_likelihood_5000_ess_mean"] / 5000)
    np.testing.assert_array_equal(share, shown[shown["part"] == "test"]["effective_share_mean"])
    assert sum(line.get_alpha() is not None for line in main.lines) == 4  # two K, two parts


@pytest.mark.parametrize("change", ["no columns", "no values"])
def test_log_likelihood_says_how_it_is_estimated_where_it_was_not(change, sketch):
    table = synthetic_table((1.0,), splits=CV_16K)
    estimates = [column for column in table if column.startswith("log_likelihood")]
    table = table.drop(columns=estimates) if change == "no columns" else table
    table[table.columns.intersection(estimates)] = np.nan
    with pytest.raises(RdpipeError, match=r"evaluation\.likelihood_samples"):
        sketch("log_likelihood", table, splits=CV_16K)
