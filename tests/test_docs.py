"""What the documentation lists is what there is."""

import re

import pytest
import yaml

from rdpipe.claims.paper import CLAIMS
from rdpipe.claims.questions import QUESTIONS
from rdpipe.claims.roles import declared
from rdpipe.evaluation.evaluate import METRICS
from tests import ROOT

PAPER = (ROOT / "docs/paper.md").read_text("utf-8")
QUESTIONS_PAGE = (ROOT / "docs/open-questions.md").read_text("utf-8")
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


@pytest.mark.parametrize("target", CONFIG["targets"])
def test_the_map_of_the_paper_has_every_target(target):
    assert f"| `{target}` |" in PAPER


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_map_of_the_paper_and_the_study_have_every_claim_with_its_roles(claim):
    assert roles_in(PAPER, claim) == roles_of(claim)
    assert claim in {entry["name"] for entry in CONFIG["figures"]["claims"]["claims"]}


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_page_of_open_questions_has_every_question_as_it_is_judged(name):
    assert roles_in(QUESTIONS_PAGE, name) == roles_of(name)
    question = QUESTIONS[name]
    assert f"| {question.sentence} | {question.reason} |" in QUESTIONS_PAGE
    studies = (ROOT / "config").glob("*.yaml")
    assert sum(f"name: {name}" in path.read_text("utf-8") for path in studies) == 2


def roles_in(page, name):
    """The roles of splits and of architectures that the row of a claim or question lists."""
    (row,) = re.findall(rf"^\| `{name}` \|(.*?)\|(.*?)\|", page, flags=re.MULTILINE)
    return [re.findall("`(.+?)`", cell) for cell in row]


def roles_of(name):
    roles = declared()[name].items()
    return [[role for role, one in roles if one.of == of] for of in ("split", "architecture")]


@pytest.mark.parametrize("metric", METRICS)
def test_the_readme_of_the_results_explains_every_metric(metric):
    columns = (ROOT / "results/README.md").read_text("utf-8")
    assert f"`{metric.removesuffix('_se')}`" in columns
