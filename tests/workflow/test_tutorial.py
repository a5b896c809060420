"""The tutorial, followed from its first command to its last."""

import os
import re
import subprocess
import sys

import pytest

from tests import ROOT
from tests.test_commands import calls

from . import _forks
from .conftest import DONE, make_checkout

pytestmark = [pytest.mark.workflow, pytest.mark.long]

PAGE = ROOT / "docs/tutorial.md"
RDPIPE = [sys.executable, "-c", "from rdpipe.cli import app; app()"]
SMALLER = """
archs: {mlp-3: {width: 8}}
betas: [1]
seeds: [0]
training: {iterations: 20, history_every: 10}
experiments: {mine: {splits: [mine-small], archs: [mlp-3]}}
"""


def test_the_tutorial_ends_with_its_files_and_its_model(tmp_path):
    checkout = make_checkout(tmp_path / "rdpipe").path
    text = PAGE.read_text("utf-8")
    (checkout / "smaller.yaml").write_text(SMALLER, "utf-8")
    (checkout / "data").mkdir()
    for name, content in re.findall(r'```\w+ title="(.*?)"\n(.*?)```', text, re.DOTALL):
        (checkout / name).write_text(content, "utf-8")

    def run(*command):
        done = subprocess.run(
            command,
            cwd=checkout,
            env=os.environ | {"PYTHONPATH": str(checkout / "src")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    computed = []
    for program, *words in calls(PAGE):
        if "config/mine.yaml" in words:
            words.insert(words.index("config/mine.yaml") + 1, "smaller.yaml")
        if program == "python":
            run(sys.executable, *words)
        elif program == "rdpipe" and len(words) > 1:
            run(*RDPIPE, *words)
        elif program == "snakemake":
            code, printed = _forks.run(words, checkout)
            assert code == 0, printed
            computed.append({how for _, how in DONE.findall(printed)})
    assert computed == [{"computed in"}, set()]  # the last call has nothing to do

    named = set(re.findall(r"`(results/mine/[^`]+)`", text))
    assert len(named) >= 5
    assert all((checkout / name).is_file() for name in named)
    (in_python,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    run(sys.executable, "-c", f"{in_python}\nassert pictures.shape == (*images.shape[:3], 3)")
