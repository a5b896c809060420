"""What the documentation lists is what there is."""

import re

import pytest
import yaml

from rdpipe.claims.roles import declared
from rdpipe.evaluation.evaluate import METRICS
from tests import ROOT

PAPER = (ROOT / "docs/paper.md").read_text("utf-8")
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


@pytest.mark.parametrize("target", CONFIG["targets"])
def test_the_map_of_the_paper_has_every_target(target):
    assert f"| `{target}` |" in PAPER


@pytest.mark.parametrize("claim", declared())
def test_the_map_of_the_paper_and_the_study_have_every_claim_with_its_roles(claim):
    (row,) = re.findall(rf"^\| `{claim}` \|(.*?)\|(.*?)\|", PAPER, flags=re.MULTILINE)
    roles = declared()[claim].items()
    for cell, of in zip(row, ("split", "architecture"), strict=True):
        assert re.findall("`(.+?)`", cell) == [name for name, role in roles if role.of == of]
    assert claim in {entry["name"] for entry in CONFIG["figures"]["claims"]["claims"]}


@pytest.mark.parametrize("metric", METRICS)
def test_the_readme_of_the_results_explains_every_metric(metric):
    columns = (ROOT / "results/README.md").read_text("utf-8")
    assert f"`{metric.removesuffix('_se')}`" in columns
