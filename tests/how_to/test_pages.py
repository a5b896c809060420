"""Whoever follows a how-to page gets what it promises: its code is added to a copy, and used."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

PAGES = ROOT / "docs/how-to"
LABELS = "src/rdpipe/figures/_labels.py"
ARCHS = "src/rdpipe/study/settings/archs.py"
DATASETS = "src/rdpipe/study/settings/datasets.py"
QUESTIONS = "src/rdpipe/claims/questions.py"
# What the pages tell in words: (file, old text, new text), with the page's code for this file.
EDITS = {
    "add-a-prior": [
        (ARCHS, "def _kind(", "{code}\n\ndef _kind("),
        (ARCHS, "| Vamp | Flow,", "| Vamp | Flow | Laplace,"),
    ],
    "add-an-architecture": [
        (ARCHS, "Arch = Annotated[MLP | CNN,", "{code}\n\nArch = Annotated[MLP | CNN | Funnel,")
    ],
    "add-a-likelihood": [(ARCHS, '"gaussian"]', '"gaussian", "laplace"]')],
    "add-a-dataset": [
        (DATASETS, "Dataset = Annotated[\n", "{code}\n\nDataset = Annotated[\n    Discs |"),
        (LABELS, "DATASETS = {\n", 'DATASETS = {\n    "discs": "discs",\n'),
    ],
    "add-a-claim": [(QUESTIONS, "# --- likelihoods", "{code}\n\n# --- likelihoods")],
    "add-a-figure": [],
}


def follow(page: str, copy: Path) -> None:
    """Do in a copy of the project what a page says."""
    text = (PAGES / f"{page}.md").read_text("utf-8")
    code = dict(re.findall(r'```python title="(.*?)"\n(.*?)```', text, re.DOTALL))
    for name in code.keys() - {name for name, _, _ in EDITS[page]}:
        assert not (copy / name).exists()
        (copy / name).write_text(code[name], "utf-8")
    for name, old, new in EDITS[page]:
        before = (copy / name).read_text("utf-8")
        assert before.count(old) == 1
        after = before.replace(old, new.replace("{code}", code.get(name, "")))
        (copy / name).write_text(after, "utf-8")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory) -> str:
    """What pytest says of `added.py` in a copy in which all pages were followed."""
    copy = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__py*")
    shutil.copytree(ROOT / "src/rdpipe", copy / "src/rdpipe", ignore=ignored)
    for page in EDITS:
        follow(page, copy)
    call = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*call, "tests/how_to/added.py"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(copy / "src")},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("page", sorted(path.stem for path in PAGES.glob("add-*.md")))
def test_what_a_page_adds_works(page, outcome):
    assert f"::test_{page.replace('-', '_')} PASSED" in outcome, outcome
