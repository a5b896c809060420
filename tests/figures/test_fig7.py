"""Figure 7: other datasets."""

import pytest

from rdpipe.common.errors import RdpipeError
from tests.figures.page import titled
from tests.figures.synthetic import arch


def test_figure_7_gives_each_dataset_a_panel_with_its_own_limits(sketch):
    splits = {f"s{i}": ("cv", 8192 * i, 60000) for i in range(1, 6)}
    figure, _ = sketch("fig7", splits=splits, datasets=dict.fromkeys(splits, "mnist"))
    panels = titled(figure)
    assert [*panels][:2] == ["MNIST, CV(8k/60k)", "MNIST, CV(16k/60k)"]
    assert len(panels) == 5
    assert len({axes.get_ylim() for axes in panels.values()}) == 5
    assert len({axes.bbox.y0 for axes in panels.values()}) == 2  # rows


def test_more_architectures_than_colours_are_refused(sketch):
    archs = [arch("mlp", n) for n in range(1, 9)]
    with pytest.raises(RdpipeError, match="8 architectures, but only 7"):
        sketch("fig7", splits={"cv-16k": ("cv", 16384, 147456)}, archs=archs)
