"""Plain names: which results they show, and what a call says of them when it ends."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from rdpipe.study import plan as plans
from rdpipe.study.ending import Failure, last_line, summary
from rdpipe.study.names import missing, set_names
from rdpipe.study.plan import FORMATS, TABLES, Plan
from rdpipe.study.reading import merge, read_study
from tests import ROOT

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
merge(CONFIG, yaml.safe_load((ROOT / "config/tests.yaml").read_text("utf-8")))
FIGURE, TABLE = Path("results/tests/figures/fig3.pdf"), Path("results/tests/tables/fig3")


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def plan(monkeypatch):
    """The plan of the tests' study with some settings changed and the code of a module edited."""

    def planned(edited=None, **changes):
        monkeypatch.setattr(plans, "_code", lambda modules: str(edited in modules))
        config = copy.deepcopy(CONFIG)
        merge(config, changes)
        study = Plan(read_study(config))
        assert study.target_links(study.targets)  # which asks for the code of all results now
        return study

    return planned


def store(node, links, inputs, content):
    """Write an object, and link its files, as a job of a node does.

    `links` are paths by the names of the files, and `content` is the digest of each file's content.
    """
    folder = Path(f"results/store/objects/00/{len(list(Path().glob('results/store/**/*'))):064x}")
    folder.mkdir(parents=True)
    settings = dict(node.settings) | {"run": {}}
    record = {"stage": node.stage, "settings": settings, "inputs": inputs}
    record["files"] = {file: {"content": content} for file in links}
    (folder / "record.json").write_text(json.dumps(record))
    for file, link in links.items():
        (folder / file).touch()
        Path(link).parent.mkdir(parents=True, exist_ok=True)
        Path(link).unlink(missing_ok=True)
        Path(link).symlink_to((folder / file).absolute())


def compute(study, *stages, content="old"):
    """Let jobs of some stages make what fig3 needs, with files of some content."""
    table, figure = study.tables["fig3"], study.figures["fig3"]
    inputs = study.inputs(table)
    if "evaluation" in stages:
        for path in [path for paths in inputs.values() for path in paths]:
            store(table, {Path(path).name: path}, {}, content)
    if "tables" in stages:
        made_from = {name: [content] * len(paths) for name, paths in inputs.items()}
        files = [*(f"{name}.parquet" for name in TABLES), "reconstructions.npz"]
        store(table, {file: table.file(file) for file in files}, made_from, content)
    if "figures" in stages:
        files = {f"fig3.{kind}": f"{figure.path}.{kind}" for kind in FORMATS}
        store(figure, files, dict.fromkeys(study.inputs(figure), content), content)


EVERYTHING = ("evaluation", "tables", "figures")


def test_a_figure_is_shown_until_the_edited_code_has_drawn_it_anew(plan):
    before, after = plan(), plan(edited="rdpipe.figures.fig3")
    compute(before, *EVERYTHING)
    set_names(before, ["fig3"])
    assert set_names(after, ["fig3"]) == {}
    assert FIGURE.samefile(f"{before.figures['fig3'].path}.pdf")
    compute(after, "figures")
    set_names(after, ["fig3"])
    assert FIGURE.samefile(f"{after.figures['fig3'].path}.pdf")


def test_a_table_is_shown_until_the_edited_code_has_made_it_anew(plan):
    before, after = plan(), plan(edited="rdpipe.tables")
    compute(before, *EVERYTHING)
    set_names(before, ["fig3"])
    removed = set_names(after, ["fig3"])
    assert TABLE.samefile(before.tables["fig3"].path)
    assert set(removed) == {str(FIGURE.with_suffix(f".{kind}")) for kind in FORMATS}


def test_no_name_shows_a_result_of_other_settings(plan):
    before, after = plan(), plan(training={"iterations": 30})
    compute(before, *EVERYTHING)
    set_names(before, ["fig3"])
    removed = set_names(after, ["fig3"])
    assert removed[str(FIGURE)] == f"{before.figures['fig3'].path}.pdf"
    assert removed[str(TABLE)] == before.tables["fig3"].path
    assert not FIGURE.is_symlink() and not TABLE.is_symlink()
    set_names(before, ["fig3"])
    assert FIGURE.exists() and TABLE.exists()


def test_no_name_shows_a_result_of_inputs_with_other_content(plan):
    before, after = plan(), plan(training={"iterations": 30})
    compute(before, *EVERYTHING)
    set_names(before, ["fig3"])
    compute(after, "evaluation", "tables", content="new")
    set_names(after, ["fig3"])
    assert TABLE.samefile(after.tables["fig3"].path)
    assert not FIGURE.is_symlink()


def test_a_study_leaves_the_names_of_others_alone(plan):
    mine, other = plan(), plan(name="other", training={"iterations": 30})
    compute(mine, *EVERYTHING)
    set_names(mine, ["fig3"])
    assert set_names(other, ["fig3"]) == {}
    compute(other, *EVERYTHING)
    set_names(other, ["fig3"])
    assert FIGURE.samefile(f"{mine.figures['fig3'].path}.pdf")
    assert Path("results/other/figures/fig3.pdf").samefile(f"{other.figures['fig3'].path}.pdf")


def test_a_call_says_what_it_made_and_where(plan):
    study = plan()
    before = missing(study, ["fig3"])
    compute(study, *EVERYTHING)
    set_names(study, ["fig3"])
    made = ["made       results/tests/figures/fig3.pdf .png .csv"]
    made += ["made       results/tests/tables/fig3/"]
    assert list(summary(study, ["fig3"], before, {}, [])) == made
    as_before = [line.replace("made     ", "as before") for line in made]
    assert list(summary(study, ["fig3"], [], {}, [])) == as_before


def test_a_call_counts_what_is_as_before_if_that_is_much(plan, monkeypatch):
    study = plan()
    targets = study.targets
    number = len(list(study.target_nodes(targets)))
    monkeypatch.setattr("rdpipe.study.ending.missing", lambda plan, targets: set())
    assert number > 10
    assert list(summary(study, targets, [], {}, [])) == [
        f"as before  all {number} figures and tables that were asked for, in results/tests/"
    ]


def test_a_call_says_what_it_did_not_make_and_where_the_result_before_is(plan):
    before, after = plan(), plan(training={"iterations": 30})
    compute(before, *EVERYTHING)
    set_names(before, ["fig3"])
    lacking, removed = missing(after, ["fig3"]), set_names(after, ["fig3"])
    compute(after, "evaluation", "tables", content="new")
    set_names(after, ["fig3"])
    figure = before.figures["fig3"].path
    assert list(summary(after, ["fig3"], lacking, removed, [])) == [
        "made       results/tests/tables/fig3/",
        "not made   results/tests/figures/fig3.pdf .png .csv; the result before lies in "
        f"{figure}.pdf",
    ]


def test_a_call_says_which_jobs_failed_with_the_last_line_of_their_logs(plan, tmp_path):
    logs = [tmp_path / f"{i}.log" for i in range(12)]
    logs[0].write_text("2026-01-02 03:04:05,678 training half/mlp-1: it broke\n\n")
    failures = [
        Failure("training", {"training": "half/mlp-1-0123456789", "beta": "0.1", "seed": "1"}, log)
        for log in logs
    ]
    first, second, *_, last = summary(plan(), [], [], {}, failures)
    assert first.startswith("failed     training half/mlp-1 beta=0.1 seed=1: it broke (")
    assert str(logs[0]) in first
    assert "nothing is in its log" in second
    assert last == "failed     2 more; see results/logs/"


def test_the_last_line_of_a_long_log_is_short(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * 100_000 + b"\n\xff\x1b[31m" + b"y" * 1000)
    line = last_line(log)
    assert len(line) == 300
    assert "\x1b" not in line


@pytest.mark.parametrize("name", ["tables", "logs", "store"])
def test_a_study_takes_no_name_of_a_folder_of_all_studies(plan, name):
    with pytest.raises(plans.RdpipeError, match=f"name: {name} is a folder of all studies"):
        plan(name=name)


def test_a_study_is_not_named_as_its_store(plan):
    with pytest.raises(plans.RdpipeError, match="name: objects is a folder of all studies"):
        plan(name="objects", store="results/objects/mine")
