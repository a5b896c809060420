"""Strips of reconstructions."""

import pytest

from tests.figures.page import titled
from tests.figures.synthetic import ARCHS, CV_16K, FOUR_ARCHS, PAPER_BETAS, synthetic_table


def test_grey_images_are_drawn(sketch):
    figure, _ = sketch("fig3", splits=CV_16K, channels=1)
    assert any(axes.images for axes in figure.axes)


def test_more_reconstructions_than_have_room_are_thinned_out_to_both_ends(sketch):
    table = synthetic_table(splits=CV_16K, archs=FOUR_ARCHS)
    figure, _ = sketch("fig3", table, splits=CV_16K, archs=FOUR_ARCHS)
    strips = [axes for axes in figure.axes if axes.images]
    labels = {text.get_text() for text in strips[0].texts}
    assert {"input", "nearest", "0.001", "5"} < labels
    assert len(strips[0].images) < 2 + len(PAPER_BETAS)


def test_the_optimal_decoder_has_its_images_below_the_models(sketch):
    table = synthetic_table((0.1, 1.0), splits=CV_16K, archs=ARCHS[:1])
    figure, _ = sketch("optimal_decoder", table, splits=CV_16K, archs=ARCHS[:1])
    [strip] = [axes for axes in figure.axes if axes.images]
    at = [tuple(image.get_extent())[2] for image in strip.images]  # their lower sides
    assert sorted(at) == pytest.approx([-1.05, -1.05, 0, 0, 0, 0])
    axes = titled(figure)["CV(16k/147k), 1-layer MLP"]
    assert 16384 in [line.get_ydata()[0] for line in axes.lines]
