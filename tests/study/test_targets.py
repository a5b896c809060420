"""The targets of a call: names that the study does not have, and overlays that give none."""

from pathlib import Path

import pytest
import yaml

from rdpipe.common.errors import RdpipeError
from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from rdpipe.study.targets import check_overlays, check_targets
from tests import ROOT

PAPER = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def plan():
    return Plan(read_study(PAPER))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("fgi3", "study paper has no target 'fgi3'; did you mean 'fig3'"),
        ("memorisation", "did you mean 'memorization'?"),
        ("discs", "it has fig1, fig2,"),
        ("discs", "needs the file of that study: snakemake discs --configfile mine.yaml"),
    ],
)
def test_an_unknown_target_is_told_with_the_nearest_names(plan, name, sentence):
    with pytest.raises(RdpipeError) as told:
        check_targets(plan, ["fig3", name])
    assert sentence in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def test_names_of_targets_and_rules_and_paths_are_no_faults(plan):
    check_targets(plan, ["fig3", "all_splits", "all", "results/x-0123456789", "report.html"])


MINE = {"experiments": {"mine": {}}, "figures": {"mine": {}, "mine_rate": {}, "fig3": {}}}


@pytest.mark.parametrize(
    ("overlay", "listed"),
    [(MINE, "mine, mine_rate"), ({"experiments": {"mine": {}}}, "mine")],
)
def test_an_overlay_with_results_of_its_own_must_say_which_are_wanted(overlay, listed):
    files = {Path("config.yaml"): PAPER, Path("mine.yaml"): overlay}
    with pytest.raises(RdpipeError, match=rf"add `targets: \[{listed}\]`"):
        check_overlays(files)
    check_overlays(files | {Path("more.yaml"): {"targets": ["mine"]}})


@pytest.mark.parametrize("overlay", [{}, {"seeds": [0]}, {"figures": {"fig3": {}}}])
def test_an_overlay_that_changes_the_paper_keeps_its_targets(overlay):
    check_overlays({Path("/a/config.yaml"): PAPER, Path("mine.yaml"): overlay})
