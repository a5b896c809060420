"""Figures in reports have a title and a caption of their own."""

import pytest

from rdpipe.study.captions import caption, title
from rdpipe.study.plan import Node
from tests import ROOT

KINDS = sorted(path.stem for path in (ROOT / "src/rdpipe/figures").glob("[!_]*.py"))


def figure(name, drawn_by):
    return Node("figures", name, (f"rdpipe.figures.{drawn_by}",), {}, {})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_figure_has_a_caption_that_can_be_read_alone(kind):
    words = caption(figure(kind, kind))
    assert len(words) > 100 and words.endswith(".")
    assert not title(figure(kind, kind)).endswith(".")


def test_a_figure_of_the_paper_has_its_number():
    assert title(figure("fig3", "fig3")).startswith("Figure 3: training and test")


def test_an_own_figure_names_the_experiment_whose_runs_it_shows():
    table = Node("tables", "toys", ("rdpipe.tables",), {}, {})
    drawn = Node("figures", "mine", ("rdpipe.figures.fig7",), {}, {"toys": table})
    assert title(drawn).endswith(", of experiment toys")
    assert "other datasets" not in title(drawn)


def test_an_own_figure_goes_by_its_own_name():
    assert title(figure("mine", "fig3")).startswith("mine: training and test")
    assert title(figure("mine", "claims")).startswith("mine: Claims or questions")
