"""`results/<study>/study.json`, and what is refused before Snakemake plans a report of nothing."""

import json
from pathlib import Path

import pytest
import yaml

from rdpipe.common.errors import RdpipeError
from rdpipe.study import about
from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from tests import ROOT
from tests.report.made_up import SMALL, plan_of


@pytest.fixture(scope="module")
def plan():
    return plan_of({**SMALL, "targets": ["one"]})


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(plan, asked=()):
    about.write(plan, asked)
    return json.loads(Path(plan.own_file(about.FILE)).read_text("utf-8"))


def make(files):
    for file in map(Path, files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")


def test_it_lists_what_the_targets_need_and_nothing_else(plan):
    told = written(plan)
    assert list(told["experiments"]) == ["one"] and told["figures"] == {}
    assert list(told["runs"]) == ["sparse/mlp-1"] and list(told["splits"]) == ["sparse"]


def test_it_lists_what_a_call_asks_for_and_what_is_there(plan):
    assert list(written(plan, {"curves"})["figures"]) == ["curves"]
    assert written(plan)["figures"] == {}
    make(plan.target_files(["curves"]))
    assert list(written(plan)["experiments"]) == ["both", "one"]


def test_the_papers_study_can_be_told():
    paper = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    told = written(Plan(read_study(paper)))
    assert list(told["figures"]) == [*paper["figures"]]
    claims = told["settings"]["figures"]["claims"]["claims"]
    listed = paper["figures"]["claims"]["claims"]
    assert [claim["name"] for claim in claims] == [claim["name"] for claim in listed]
    assert any(isinstance(role, list) for claim in claims for role in claim.values())


def test_paths_are_those_of_the_plan_without_the_results_folder(plan):
    told = written(plan)
    table = plan.tables["one"].file("rd.csv")
    assert f"results/{told['experiments']['one']['table']}/rd.csv" == table


@pytest.mark.parametrize("option", [["--report", "mine.html"], ["--report=mine.html"]])
def test_a_report_whose_files_are_missing_is_refused_in_one_sentence(plan, option):
    first, *others = plan.target_files(["one"])
    make(others)
    with pytest.raises(RdpipeError, match=f"1 of 6 files .* missing, such as {first}; give --rep"):
        about.refuse_unfinished_report(plan, ["snakemake", *option])
    make([first])
    about.refuse_unfinished_report(plan, ["snakemake", *option])


def test_a_report_of_a_named_target_needs_no_other(plan):
    make(plan.target_files(["curves"]))
    about.refuse_unfinished_report(plan, ["snakemake", "curves", "--report", "mine.html"])


def test_calls_without_a_report_or_of_named_files_are_not_looked_at(plan):
    about.refuse_unfinished_report(plan, ["snakemake", "--cores", "2"])
    about.refuse_unfinished_report(plan, ["snakemake", "results/a.png", "--report", "mine.html"])
