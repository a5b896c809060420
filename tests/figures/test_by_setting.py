"""Figures by prior, likelihood, latent dimension and length of training."""

import numpy as np
import pandas as pd
import pytest

from rdpipe.common.errors import RdpipeError
from tests.figures.page import lines, titled
from tests.figures.synthetic import ARCHS, CV_16K, SPLITS, arch, synthetic_table

PRIORS = [
    arch("mlp", layers, name=f"mlp-{layers}-{kind}", prior={"kind": kind})
    for layers in (1, 3)
    for kind in ("standard", "mixture", "vamp", "flow")
]
LATENT = [arch("mlp", 1, name=f"mlp-1-{d}", latent=d) for d in (2, 5, 10, 20, 50)]
LIKELIHOODS = [
    arch("mlp", 1, name=f"mlp-1-{name}", likelihood=name)
    for name in ("bernoulli", "continuous_bernoulli", "gaussian")
]


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_priors_of_one_depth_share_a_panel_and_one_prior_has_one_colour(sketch):
    figure, shown = sketch("by_setting", archs=PRIORS)
    panels = titled(figure)
    assert len(panels) == len(SPLITS) * 2
    assert {len(lines(axes)) for axes in panels.values()} == {2 * 4}  # train and test of each
    assert len({frozenset(lines(axes)) for axes in panels.values()}) == 1
    named = [label for label in labels(figure) if label.endswith("prior")]
    assert named == ["standard prior", "mixture prior", "vamp prior", "flow prior"]
    assert {*shown["arch"]} == {one["name"] for one in PRIORS}


@pytest.mark.parametrize("name", ["by_setting", "rate_by_setting"])
def test_likelihoods_stand_in_panels_of_their_own(name, sketch):
    figure, _ = sketch(name, splits=CV_16K, archs=LIKELIHOODS)
    titles = [title for title in titled(figure) if "CV(16k/147k)" in title]
    for words in ("bernoulli", "continuous bernoulli", "gaussian"):
        (title,) = (one for one in titles if f"MLP, {words}" in one)
        axes = titled(figure)[title]
        others = [titled(figure)[one] for one in titles if one != title]
        assert not any(axes.get_shared_y_axes().joined(axes, other) for other in others)


@pytest.mark.parametrize("name", ["fig5", "fig7", "log_likelihood"])
def test_other_figures_refuse_distortions_of_several_likelihoods(name, sketch):
    with pytest.raises(RdpipeError, match="has the likelihoods bernoulli, continuous_bernoulli, g"):
        sketch(name, splits=CV_16K, archs=LIKELIHOODS)


def test_figures_without_distortions_take_several_likelihoods(sketch):
    figure, _ = sketch("fig8", splits=CV_16K, archs=LIKELIHOODS)
    assert "CV(16k/147k), 1-layer MLP, gaussian likelihood" in titled(figure)


def test_dimensions_are_shades_in_their_order(sketch):
    figure, _ = sketch("by_setting", splits=CV_16K, archs=LATENT)
    named = [label for label in labels(figure) if label.endswith("dimensions")]
    assert named == [f"{d} dimensions" for d in (2, 5, 10, 20, 50)]
    (axes,) = titled(figure).values()
    assert len({colour for colour, _ in lines(axes)}) == 5


def test_more_settings_than_colours_are_refused(sketch):
    many = [
        arch("mlp", 1, name=f"a{i}", prior={"kind": kind}, latent=d)
        for i, (kind, d) in enumerate((k, d) for k in ("standard", "flow") for d in (2, 5, 10, 20))
    ]
    with pytest.raises(RdpipeError, match="architectures of 8 different settings, but only 7 col"):
        sketch("by_setting", splits=CV_16K, archs=many)


def test_the_rate_and_its_terms_are_those_of_the_table(sketch):
    archs = PRIORS[:2]
    table = synthetic_table((0.1, 1.0, 5.0), splits=CV_16K, archs=archs)
    figure, shown = sketch("rate_by_setting", table, splits=CV_16K, archs=archs)
    assert len(figure.axes) == 3
    train = table[(table["part"] == "train") & (table["arch"] == "mlp-1-mixture")]
    for axes, term in zip(figure.axes, ("rate", "mutual_information", "marginal_kl"), strict=True):
        drawn = list(lines(axes).values())[1]
        np.testing.assert_array_equal(drawn[:, 1], train[f"{term}_mean"])
    assert {*shown["part"]} == {"train"}


def checkpoints(lengths):
    """A table with checkpoints, whose distortion falls with the length of training."""
    tables = []
    for n in lengths:
        table = synthetic_table((0.1, 1.0), splits=CV_16K).assign(iteration=n)
        table["distortion_mean"] += 1000 / n
        tables.append(table)
    return pd.concat(tables)


def test_distortion_is_drawn_over_iterations_for_each_beta_and_part(sketch):
    table = checkpoints([100, 400, 1600])
    figure, shown = sketch("over_iterations", table, splits=CV_16K)
    axes = titled(figure)["CV(16k/147k), 1-layer MLP"]
    assert len(lines(axes)) == 2 * 2
    for points in lines(axes).values():
        assert points[:, 0].tolist() == [100, 400, 1600]
        assert (np.diff(points[:, 1]) < 0).all()
    assert len(shown) == len(table)


def test_other_figures_show_the_end_of_training(sketch):
    _, shown = sketch("fig5", checkpoints([100, 400]), splits=CV_16K)
    _, end = sketch("fig5", checkpoints([400]), splits=CV_16K)
    pd.testing.assert_frame_equal(shown, end)


def test_runs_without_checkpoints_are_refused(sketch):
    with pytest.raises(RdpipeError, match=r"have no checkpoints; give training.checkpoints"):
        sketch("over_iterations", splits=CV_16K, archs=ARCHS)
