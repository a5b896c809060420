"""What the documentation lists is what there is."""

import pytest
import yaml

from rdpipe.claims.paper import CLAIMS
from rdpipe.evaluation.evaluate import METRICS
from tests import ROOT

PAPER = (ROOT / "docs/paper.md").read_text("utf-8")
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


@pytest.mark.parametrize("target", CONFIG["targets"])
def test_the_map_of_the_paper_has_every_target(target):
    assert f"| `{target}` |" in PAPER


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_map_of_the_paper_and_the_study_have_every_claim(claim):
    assert f"| `{claim}` |" in PAPER
    assert claim in {entry["name"] for entry in CONFIG["figures"]["claims"]["claims"]}


@pytest.mark.parametrize("metric", METRICS)
def test_the_readme_of_the_results_explains_every_metric(metric):
    columns = (ROOT / "results/README.md").read_text("utf-8")
    assert f"`{metric.removesuffix('_se')}`" in columns
