"""The workflow as a module of another one, as snakedeploy writes it."""

import pytest
from snakedeploy.deploy import deploy

from . import _forks
from .conftest import make_checkout

pytestmark = pytest.mark.workflow

OWN = """

rule mine:
    input:
        rules.fig1.input,
    output:
        touch("mine.txt"),
"""


def test_another_workflow_can_use_this_one_with_snakedeploy(tmp_path):
    source = make_checkout(tmp_path / "source").path
    mine = tmp_path / "mine"
    mine.mkdir()
    deploy(str(source), name="rdpipe", tag=None, branch=None, dest_path=mine)
    snakefile = mine / "workflow/Snakefile"
    text = snakefile.read_text("utf-8")
    # of a local source snakedeploy writes no whole path, as it does of a repository
    assert text.count('"workflow/Snakefile"') == 1
    whole = text.replace('"workflow/Snakefile"', repr(str(source / "workflow/Snakefile")))
    snakefile.write_text(whole + OWN, "utf-8")
    files = ["config/config.yaml", "config/tests.yaml"]
    call = ["mine", "fig1", "--cores", "2", "--configfile", *files]
    code, printed = _forks.run(call, mine)
    assert code == 0, printed
    assert (mine / "results/tests/figures/fig1.pdf").is_file()
    assert (mine / "mine.txt").exists()
