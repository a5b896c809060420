"""Architectures beside their variants."""

import pytest

from rdpipe.common.errors import RdpipeError
from tests.figures.page import lines, titled
from tests.figures.synthetic import ABLATED, CV_16K, STOPPED, arch


@pytest.mark.parametrize(
    ("name", "archs", "curves"), [("early_stopping", STOPPED, 4), ("ablations", ABLATED, 6)]
)
def test_variants_stand_beside_the_plain_architecture(name, archs, curves, sketch):
    others = [arch("cnn", 3)]  # has no variant: left out
    figure, shown = sketch(name, splits=CV_16K, archs=[*others, *archs])
    panels = titled(figure)
    assert [*panels] == ["CV(16k/147k), 1-layer MLP", "CV(16k/147k), 3-layer MLP"]
    assert {len(lines(axes)) for axes in panels.values()} == {curves}
    assert {*shown["arch"]} == {one["name"] for one in archs}


@pytest.mark.parametrize(
    ("name", "archs", "sentence"),
    [
        ("early_stopping", ABLATED, "no architecture with early_stopping"),
        ("ablations", STOPPED, "no architecture with penalty"),
    ],
)
def test_an_experiment_without_such_variants_is_refused(name, archs, sentence, sketch):
    with pytest.raises(RdpipeError, match=sentence):
        sketch(name, splits=CV_16K, archs=archs)
