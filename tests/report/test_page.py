"""The report shows what there is, and names what there is not."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from rdpipe.common.files import write_json
from rdpipe.report import write_report
from rdpipe.report.page import page
from rdpipe.report.paper import differences
from rdpipe.results import Results
from rdpipe.study.about import about
from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from tests import ROOT
from tests.report.made_up import SMALL, data_of, plan_of, results_of


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(SMALL)


@pytest.fixture(scope="module")
def whole(plan, tmp_path_factory):
    """The page of a study that finished."""
    return page(results_of(tmp_path_factory.mktemp("whole"), plan))


def test_a_page_needs_no_network_and_allows_none(whole):
    assert "default-src 'none'" in whole
    # `xmlns` and the like name no place to load from
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:|#|\$\{)[\w/.]""", whole)


def test_the_paragraph_has_the_sizes_of_the_study(whole):
    opening = " ".join(whole[: whole.index('id="curves"')].split())
    assert "<h1>tests: rate and distortion of β-VAEs on Tetrominoes</h1>" in opening
    assert "48 β-VAEs on 2 divisions of the data" in opening
    assert "4 values of β from 0.001 to 5, and 3 seeds" in opening
    assert "<b>48</b> of 48 runs finished" in opening
    assert "What is missing" not in opening


def test_figures_have_their_own_name_a_caption_and_the_runs_behind_them(whole):
    figure = whole[whole.index('id="figure-curves"') :]
    figure = figure[: figure.index("</figure>")]
    assert "<h3>curves: training and test RD curves" in figure
    assert "Each panel shows one split and one architecture" in figure
    assert "Runs: 2 splits, 2 architectures, 4 β and 3 seeds, 20 iterations each." in figure


def test_a_paper_figure_keeps_its_number(whole):
    assert "<h3>Figure 1: examples of" in whole


def test_claims_have_verdict_effect_interval_and_power(whole):
    claims = whole[whole.index('id="claims"') : whole.index('id="making"')]
    assert 'data-verdict="' in claims and "information_saturates" in claims
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', claims)[:8]
    assert heads[2:7] == ["Effect", "95 % interval", "Claimed", "Seeds", "Power"]


def test_it_says_how_the_study_differs_from_the_papers(whole):
    opening = " ".join(whole[: whole.index('id="curves"')].split())
    assert "20 iterations (257,000), " in opening and " Tetrominoes (163,840), " in opening
    assert " units a layer (512), 3 seeds (5), 4 β (12);" in opening
    assert "Verdicts are about the runs of this study, not about the paper's." in opening


def test_a_study_like_the_papers_differs_in_nothing():
    paper = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    plan = Plan(read_study(paper))
    results = Results(Path("results"), about(plan, ["fig3"]))
    assert differences(results, results.all_runs(["fig3"])) == []


def test_claims_stand_once_and_quotes_say_that_they_name_the_papers_splits(whole):
    assert 'id="figure-curves"' in whole and 'id="figure-claims"' not in whole
    claims = " ".join(whole[whole.index('id="claims"') : whole.index('id="making"')].split())
    assert "quotes of the paper" in claims and "This study has 3 seeds." in claims


def test_a_fault_in_a_quote_is_marked_as_the_papers(plan, tmp_path):
    results = results_of(tmp_path, plan)
    file = tmp_path / f"results/{results.about['figures']['claims']['place']}.csv"
    table = pd.read_csv(file).assign(sentence="It is so (see Appendix ??).")
    file.unlink()
    table.to_csv(file, index=False)
    assert "It is so (see Appendix ?? [sic])." in page(results)


def test_it_says_how_diagnostics_were_computed(plan, tmp_path):
    results = results_of(tmp_path, plan)
    place = "diagnostics/active_units/sparse/mlp-1-0123"
    results.about["diagnostics"]["active_units/sparse/mlp-1"] = place
    folder = tmp_path / "results" / place / "beta-1/seed-0"
    folder.mkdir(parents=True)
    (folder / "metrics.parquet").touch()
    write_json(folder / "record.json", {"device": "another machine", "seconds": 7.0})
    making = page(results)
    making = making[making.index('id="making"') :]
    assert "diagnostics: active_units" in making and "another machine" in making


def test_the_last_line_opens_this_study_and_no_other(whole):
    assert 'rdpipe.open("results", study="tests")' in whole


def test_it_says_on_which_devices_and_how_long_the_runs_were_computed(whole):
    making = whole[whole.index('id="making"') :]
    assert "a machine" in making and "python 3.11, torch 2" in making
    assert "72 min" in making  # 48 runs of 90 s


def test_the_explorer_has_every_curve_run_history_and_picture(whole):
    data = data_of(whole)
    assert [one["name"] for one in data["experiments"]] == ["both", "one"]
    assert sorted(data["pairs"]) == ["dense/mlp-1", "dense/mlp-2", "sparse/mlp-1", "sparse/mlp-2"]
    pair = data["pairs"]["sparse/mlp-1"]
    assert pair["curves"]["test"]["beta"] == [0.001, 0.1, 1, 5]
    assert len(pair["runs"]["status"]) == 4 * 3
    assert pair["runs"]["measures"]["train"]["mutual_information"] == [4.0] * 12
    assert "mutual_information" not in pair["runs"]["measures"]["test"]
    assert len(pair["history"]["distortion"][0]) == len(pair["history"]["iteration"]) <= 24
    assert pair["history"]["iteration"][-1] == 600
    assert pair["pictures"]["rows"] == {"0": 0, "1": 1, "2": 2, "3": 3}


def test_names_from_the_config_are_no_markup(whole, plan, tmp_path):
    results = results_of(tmp_path, plan)
    results.about["figures"]["curves"]["title"] = "<script>alert(1)</script>"
    results.about["settings"]["downloads"] = "</pre><script>alert(1)</script>"
    assert "<script>alert" not in page(results)


def test_diverged_and_missing_runs_are_counted_and_named(plan, tmp_path):
    gone = [("dense/mlp-2", 1.0, seed) for seed in (0, 1, 2)]
    bad = ("sparse/mlp-1", 5.0, 0)
    shown = page(results_of(tmp_path, plan, diverged=[bad], missing=gone))
    opening = " ".join(shown[: shown.index('id="curves"')].split())
    assert "<b>44</b> of 48 runs finished" in opening
    assert "<b>1</b> diverged" in opening and "<b>3</b> missing" in opening
    assert "sparse/mlp-1 β = 5 seed 0" in opening
    data = data_of(shown)
    assert data["pairs"]["dense/mlp-2"]["curves"]["test"]["beta"] == [0.001, 0.1, 5]
    status = data["pairs"]["sparse/mlp-1"]["runs"]["status"]
    assert status.count("diverged") == 1 and status.count("finished") == 11
    notes = data["pairs"]["sparse/mlp-1"]["curves"]["train"]["note"]
    assert notes == ["", "", "", "1 of 3 diverged"]


def test_a_figure_that_is_not_drawn_is_named_with_the_call_that_draws_it(plan, tmp_path):
    gone = [("dense/mlp-2", 1.0, 0)]
    shown = page(results_of(tmp_path, plan, missing=gone))
    figure = shown[shown.index('id="figure-curves"') :]
    assert "This figure is missing" in figure and "<code>snakemake curves</code>" in figure


def test_a_study_without_any_run_has_a_report(plan, tmp_path):
    every = [
        (pair, beta, seed)
        for pair in plan.training
        for beta in (0.001, 0.1, 1.0, 5.0)
        for seed in (0, 1, 2)
    ]
    results = results_of(tmp_path, plan, missing=every)
    write_report(results, tmp_path / "report.html")
    shown = (tmp_path / "report.html").read_text("utf-8")
    assert "<b>0</b> of 48 runs finished" in shown and 'id="data"' not in shown
    assert "No run of experiment both is evaluated yet." in shown
