"""The commands that look at a study."""

import csv
import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from rdpipe.cli import _common, app, looking
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import write_json
from rdpipe.study import about
from rdpipe.study.reading import read_study
from tests import ROOT
from tests.overview._study import CONFIG, make, plan


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call the command in a folder with the tests' study, whose dataset and splits are made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(json.dumps(CONFIG), "utf-8")
    for stage in ("datasets", "splits", "neighbours", "training"):
        make(plan(), stage)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_plan_shows_stages_and_the_time(call):
    output = call("plan", "fig3", "--cores", "2", "--gpus", "0").output
    assert "evaluation" in output and "With 2 cores and no GPU" in output
    assert "datasets" not in output
    told = json.loads(call("plan", "--json").output)
    assert {job["stage"] for job in told["jobs"]} == {"evaluation", "tables", "figures"}
    assert 0 < told["wall_seconds"][0] < told["wall_seconds"][1]


def test_the_targets_of_the_whole_study_have_a_name(call):
    assert call("plan", "report", "--json").output == call("plan", "--json").output
    assert call("plan", "fig3", "all", "--json").output == call("plan", "--json").output


def test_status_runs_and_why_answer(call):
    assert "4 of 4" in call("status").output
    assert json.loads(call("status", "--json").output)["made"] is False
    rows = list(csv.DictReader(io.StringIO(call("runs", "--csv", "--where", "beta=1").output)))
    assert [(row["beta"], row["seed"], row["status"]) for row in rows] == [
        ("1.0", "0", "finished"), ("1.0", "1", "finished"),
    ]  # fmt: skip
    assert len(json.loads(call("runs", "--json").output)) == 4
    shown = call("runs").output
    assert rows[0]["folder"] in shown and "4 runs, all with dataset tiny" in shown
    assert "4 of 4 results are missing" in call("why", "fig3").output
    one = rows[0]["folder"]
    assert "settings.run.seed" in call("diff", one, rows[1]["folder"]).output
    assert "do not differ" in call("diff", one, one).output


@pytest.mark.parametrize("command", ["plan", "status", "watch", "runs", "why"])
def test_an_unknown_target_gets_the_nearest_names(call, command):
    result = call(command, "fig33")
    assert result.exit_code == 1
    assert result.output == "there is no target 'fig33'; did you mean 'fig3'?\n"


def test_a_broken_config_is_told_as_snakemake_tells_it(call, tmp_path):
    (tmp_path / "more.yaml").write_text("betas: [1, 1]\ntraining: {iteration: 5}")
    broken = CONFIG | {"betas": [1, 1], "training": CONFIG["training"] | {"iteration": 5}}
    with pytest.raises(RdpipeError) as told:
        read_study(broken)
    for command in ("plan", "status", "runs", "why"):
        result = call(command, "--configfile", "more.yaml")
        assert result.exit_code == 1 and result.output == f"{told.value}\n"


@pytest.mark.parametrize("command", ["plan", "status", "runs", "why"])
def test_no_command_imports_torch(command):
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom rdpipe.cli import app\n"
        f"print(CliRunner().invoke(app, ['{command}', 'config/tests.yaml']).exit_code)\n"
        "print({'torch', 'matplotlib', 'snakemake'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["0", "set()"]


@pytest.mark.parametrize("command", ["plan", "status", "runs", "why"])
def test_the_output_begins_with_the_study(call, command):
    first = call(command).output.split("\n")[0]
    assert first == f"study {CONFIG['name']} (config.yaml)"


def test_jobs_and_results_of_other_studies_are_told(call):
    assert "add" not in call("status").output.split("\n")[1]
    other = plan(name="other", **{"training.iterations": 30})
    about.write(other, ["fig3"])
    assert "other studies have results here (other)" in call("runs").output
    (node,) = other.training.values()
    said = {"stage": "training", "name": node.name, "state": "running", "started": time.time(),
            "log": f"results/logs/training/{node.address}/all.log"}  # fmt: skip
    Path("results/logs/running").mkdir(exist_ok=True)
    write_json(Path("results/logs/running/0.json"), said)
    for command in ("plan", "status", "runs", "why"):
        second = call(command).output.split("\n")[1]
        assert second == "jobs of another study (other) are running: add its --configfile"
    json.loads(call("runs", "--json").output)


def test_no_hits_are_a_csv_with_a_header(call):
    whole = call("runs", "--csv").output.split("\n")
    for where in ("status=diverged", "arch=cnn-*"):
        assert call("runs", "--where", where, "--csv").output == f"{whole[0]}\n"


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(looking, "console", Console(width=80))
    monkeypatch.setattr(_common, "console", Console(width=80))


@pytest.mark.usefixtures("narrow")
def test_no_cell_of_a_plan_is_wrapped_in_a_narrow_terminal(call):
    output = call("plan", "--cores", "2", "--gpus", "0").output
    lines = [line.rstrip() for line in output.split("\n")]
    assert max(map(len, lines[: lines.index("The largest first")])) <= 80
    for name in ("evaluation", "tables", "figures", "evaluation half/mlp-1"):
        (row,) = (line for line in lines if re.match(rf"{name}  ", line))
        assert re.search(r"\d+( \w+)? to [\d.]+ \w+", row)  # its time stands in one piece
        assert "seconds" in row or "minutes" in row


@pytest.mark.usefixtures("narrow")
def test_the_paths_of_a_diff_are_shortened_from_the_left(call):
    one, other = (row["folder"] for row in json.loads(call("runs", "--json").output)[:2])
    header, *rows = call("diff", one, other).output.rstrip("\n").split("\n")
    what, left, right = header.split()
    assert what == "what" and left[0] == right[0] == "…"
    assert one.endswith(left[1:]) and other.endswith(right[1:])
    assert rows[0].startswith("settings.run.seed") and max(map(len, rows)) <= 80
