"""Distances to the nearest neighbours."""

import numpy as np

from tests.figures.synthetic import ALL_SPLITS


def test_nearest_neighbours_mark_the_90th_percentile(sketch):
    figure, shown = sketch("nearest_neighbours", splits=ALL_SPLITS)
    [axes] = figure.axes
    dots = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"]
    expected = shown[np.isclose(shown["share"], 0.9)]["distance"]
    assert len(dots) == len(ALL_SPLITS)
    np.testing.assert_allclose(dots, [(distance, 0.9) for distance in expected])


def test_each_dataset_has_its_own_panel_of_distances(sketch):
    figure, _ = sketch("nearest_neighbours", datasets={"cv-16k": "mnist"})
    assert [axes.get_title() for axes in figure.axes] == ["Tetrominoes", "MNIST"]
