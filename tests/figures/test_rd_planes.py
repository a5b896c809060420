"""RD curves, their stars, the iso-lines of the ELBO and the labels of β."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from rdpipe.figures import _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._rd_annotations import annotate
from rdpipe.figures._rd_curves import curve, draw_curves
from tests.figures.page import lines
from tests.figures.synthetic import experiment, synthetic_table


def curves_of(folder, betas):
    """Training and test curve of one split and architecture."""
    paths, facts = experiment(folder, synthetic_table(betas))
    loaded = Experiment.load(paths, **facts)
    group = (loaded, loaded.splits[1], loaded.archs[0])
    looks = {"train": ("training", _style.TRAIN), "test": ("test", _style.TEST)}
    return [curve(*group, part, *look) for part, look in looks.items()]


@pytest.mark.parametrize(("betas", "expected"), [((0.1, 1.0, 5.0), 2), ((0.1, 5.0), 0)])
def test_a_star_stands_at_beta_1_where_the_grid_has_it(betas, expected, tmp_path):
    axes = Figure().add_subplot()
    curves = curves_of(tmp_path, betas)
    draw_curves(axes, curves)
    stars = [line for line in axes.lines if line.get_marker() == "*" and len(line.get_xdata())]
    assert len(stars) == expected
    at_one = [one.points.query("beta == 1") for one in curves]
    rates = [rate for points in at_one for rate in points["rate_mean"]]
    assert [star.get_xdata().item() for star in stars] == rates


def test_no_star_hides_the_dot_of_another_beta(tmp_path):
    """A large β may have nearly the point of β = 1."""
    axes = Figure().add_subplot()
    curves = curves_of(tmp_path, (0.1, 1.0, 5.0))
    draw_curves(axes, curves)
    order = {marker: [one.get_zorder() for one in axes.lines if one.get_marker() == marker
                      and one.get_linestyle() == "None"] for marker in "*o"}  # fmt: skip
    assert len(order["o"]) == len(curves)
    assert min(order["o"]) > max(order["*"])


@pytest.fixture
def annotated(tmp_path):
    """A panel whose test curve has its β written, beside both its curves."""
    axes = Figure(dpi=72).add_subplot()
    curves = curves_of(tmp_path, (0.001, 0.005, 0.01, 0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0))
    draw_curves(axes, curves)
    annotate(axes, curves, betas_of=curves[1])
    return axes, curves


def written(axes):
    """Texts of the iso-lines of the ELBO, and texts of β."""
    elbo = [text for text in axes.texts if text.get_text().startswith("\N{MINUS SIGN}")]
    return elbo, [text for text in axes.texts if text not in elbo]


def test_elbo_lines_lie_where_minus_distortion_minus_rate_is_their_label(annotated):
    axes, _ = annotated
    elbo, _ = written(axes)
    assert len(elbo) >= 3
    for text in elbo:
        value = float(text.get_text().replace("\N{MINUS SIGN}", "-"))
        assert value == pytest.approx(-sum(text.get_position()), abs=1e-6)


def test_elbo_lines_cross_the_whole_panel(annotated):
    axes, _ = annotated
    elbo, _ = written(axes)
    rate, distortion = axes.get_xlim(), axes.get_ylim()
    ends = [line.get_xydata()[[0, -1]] for line in axes.lines if line.get_color() == _style.GREY]
    assert len(ends) >= len(elbo)
    for end in np.concatenate(ends):
        on_frame = np.isclose(end[0], rate).any() or np.isclose(end[1], distortion).any()
        assert on_frame, end


def test_beta_is_written_at_both_ends_and_never_at_the_star(annotated):
    axes, _ = annotated
    texts = [text.get_text() for text in written(axes)[1]]
    assert {r"$\beta = 0.001$", r"$\beta = 5$"} < {*texts}
    assert not {"1", r"$\beta = 1$"} & {*texts}


def test_labels_keep_off_curves_each_other_and_the_frame(annotated):
    axes, curves = annotated
    boxes = [text.get_window_extent().padded(-1) for text in axes.texts]
    for one in curves:
        points = axes.transData.transform(one.points[["rate_mean", "distortion_mean"]])
        at = np.linspace(0, len(points) - 1, 500)
        line = np.stack([np.interp(at, range(len(points)), side) for side in points.T], axis=1)
        assert not any(box.count_contains(line) for box in boxes)
    assert not any(box.count_overlaps(boxes[i + 1 :]) for i, box in enumerate(boxes))
    frame = axes.bbox.padded(1)
    assert all(frame.contains(*corner) for box in boxes for corner in (box.min, box.max))


def test_curves_are_drawn_through_the_means(annotated):
    axes, curves = annotated
    drawn = lines(axes)
    for one in curves:
        expected = one.points[["rate_mean", "distortion_mean"]]
        np.testing.assert_array_equal(drawn[one.colour.lower(), "-"], expected)
