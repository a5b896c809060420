"""Figure 4: curves by size."""

from tests.figures.page import lines, titled
from tests.figures.synthetic import ALL_SPLITS


def test_there_is_a_curve_a_size_and_near_sizes_have_one_look(sketch):
    figure, _ = sketch("fig4", splits=ALL_SPLITS)
    panels = titled(figure)
    kinds = ("CV", "Checkerboard", "CD")
    assert [*panels] == [f"{kind}, {layers}-layer MLP" for kind in kinds for layers in (1, 3)]
    curves = {kind: lines(panels[f"{kind}, 1-layer MLP"]) for kind in kinds}
    assert [len(curves[kind]) for kind in kinds] == [9, 1, 8]
    assert curves["CD"].keys() < curves["CV"].keys()
    assert curves["Checkerboard"].keys() < curves["CV"].keys()
    [legend] = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert {"8k", "16k", "25k", "33k", "41k", "49k", "57k", "66k", "82k"} < {*labels}
