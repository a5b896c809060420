"""How far a study is, by its results and by what its jobs tell."""

import io
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from rdpipe.common.progress import in_digits
from rdpipe.overview import watching
from rdpipe.overview.progress import Look, Progress, Stage, Target, Told, time_left
from rdpipe.overview.results import Results
from rdpipe.overview.times import Interval, Machine
from rdpipe.store.live import place
from rdpipe.store.provenance import processor
from rdpipe.study.settings.study import STAGES

from ._study import make, make_all, plan

TARGETS = ["fig1", "fig3"]
CPU = Machine(2, 0, processor())


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def study():
    """A study whose dataset, split and neighbours are made."""
    study = plan()
    for stage in ("datasets", "splits", "neighbours"):
        make(study, stage)
    return study


def tell(study, stage="training", age=0.0, **said):
    """Write the file of a job of a stage that has four results to make."""
    (node,) = getattr(study, stage).values()
    log = f"results/logs/{stage}/{node.address}/all.log"
    path = place(Path(log))
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"stage": stage, "name": node.name, "asked": 4, "finished": 0, "log": log,
             "state": "running", "host": socket.gethostname(), "process": os.getpid(),
             "started": time.time()}  # fmt: skip
    path.write_text(json.dumps(about | said))
    os.utime(path, (time.time() - age,) * 2)


def look(study):
    return Look(Results(study), TARGETS)


def counts(study, stage="training"):
    (one,) = (one for one in look(study).progress().stages if one.name == stage)
    return {"done": one.done, "running": one.running, "failed": one.failed, "missing": one.missing}


def shown(study, width=100):
    now = look(study).progress()
    text = io.StringIO()
    Console(file=text, width=width).print(watching.view(now, time_left(look(study), now, CPU)))
    return text.getvalue()


RUNS = [{"beta": beta, "seed": seed} for beta in (0.1, 1.0) for seed in (0, 1)]
HALF_WAY = {
    "runs": RUNS,
    "values": [[250.5, 30.25], [251.5, 31.25], [290.5, 3.25], [None, None]],
    "progress": {"label": "training", "done": 15, "total": 20, "speed": 0.5},
    "line": "computing on the CPU",
}


def test_nothing_is_done_before_the_first_call():
    assert counts(plan()) == {"done": 0, "running": 0, "failed": 0, "missing": 4}


def test_a_running_job_is_counted_and_shown(study):
    tell(study, **HALF_WAY)
    assert counts(study) == {"done": 0, "running": 4, "failed": 0, "missing": 0}
    text = shown(study)
    for part in ("training half/mlp-1", "15/20", "0.5/s", "10 s",
                 "β=0.1 seed=0", "250.50", "30.25", "to go"):  # fmt: skip
        assert part in text


def test_a_failed_job_is_shown_with_its_last_line_until_its_results_come(study):
    tell(study, state="failed", finished=1, line="training: no split 'haf'.")
    assert counts(study) == {"done": 0, "running": 0, "failed": 3, "missing": 1}
    assert "no split 'haf'" in shown(study)
    make(study, "training")
    assert counts(study) == {"done": 4, "running": 0, "failed": 0, "missing": 0}
    assert "no split 'haf'" not in shown(study)


def test_a_job_whose_process_is_gone_was_killed(study):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    tell(study, process=process.pid, age=60)
    (told,) = look(study).progress().failed
    assert told.state == "killed"
    assert "it was killed" in shown(study)


def test_a_job_on_another_host_without_a_sign_of_life_is_doubted(study):
    tell(study, host="elsewhere", process=1, age=30)
    assert [told.state for told in look(study).progress().running] == ["running"]
    tell(study, host="elsewhere", process=1, age=300)
    assert [told.state for told in look(study).progress().running] == ["silent"]
    assert "no sign of life" in shown(study)


def test_jobs_of_other_studies_and_other_settings_are_not_shown(study):
    tell(plan(**{"training.iterations": 30}), **HALF_WAY)
    Path("results/logs/running/broken.json").write_text("{")
    assert counts(study)["running"] == 0


def test_diverged_runs_are_results_and_are_counted(study):
    make(study, "training", status="diverged")
    (stage,) = (one for one in look(study).progress().stages if one.name == "training")
    assert (stage.done, stage.diverged) == (4, 4)


def test_a_target_is_made_when_its_files_are_there(study):
    before = look(study).progress()
    assert not before.made and [target.made for target in before.targets] == [False, False]
    make_all(study)
    after = look(study).progress()
    assert after.made and all(target.done == target.total for target in after.targets)
    assert "all targets are made" in shown(study)


def test_the_time_left_falls_while_a_training_runs(study):
    whole = time_left(look(study), look(study).progress(), CPU)
    counted = {"label": "training", "done": 1, "total": 100_001, "speed": 1.0}
    tell(study, **HALF_WAY | {"progress": counted})
    long = time_left(look(study), look(study).progress(), CPU)
    assert long.low > 50_000 > whole.high  # the job itself knows better
    tell(study, **HALF_WAY | {"progress": counted | {"total": 2}})
    assert time_left(look(study), look(study).progress(), CPU).high < whole.high


def test_without_a_terminal_there_are_plain_lines_until_all_is_made(study, monkeypatch):
    monkeypatch.setattr(watching, "LINE", 0)
    tell(study, state="failed", line="no room is left")
    said = []

    def say(text):
        said.append(text)
        if len(said) == 2:
            make_all(study)

    watching.watch(look(study), CPU, Console(file=io.StringIO()), say)
    assert "training 0/4" in said[0] and "4 failed" in said[0]
    assert "no room is left" in said[1]
    assert said[-1].endswith("all targets are made")


def small_screen(study, left, jobs):
    """The lines of the view of a study in a terminal of 24 rows and 80 columns."""
    now = look(study).progress()
    (told,) = now.running
    alone = Told("running", told.said | {
        "name": "dense/mlp-1", "runs": [{"beta": 0.001, "seed": 0}], "values": [[1250.5, 30.25]],
        "progress": {"label": "training", "done": 15_000, "total": 60_000, "speed": 8240.4},
    })  # fmt: skip
    stages = tuple(Stage(name, 6240, 1234, 1234, 0, 0) for name in STAGES)
    targets = tuple(Target(f"fig{n}", False, 0, 6240) for n in range(12))
    now = Progress(stages, targets, (told, *jobs * (alone,)), now.failed)
    text = io.StringIO()
    console = Console(file=text, width=80, height=24)
    console.print(watching.view(now, left, console.height, "study half (config/half.yaml)"))
    return text.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize("jobs", [1, 30])
def test_a_small_terminal_shows_the_time_left_and_a_row_for_each_job(study, jobs):
    tell(study, **HALF_WAY)
    lines = small_screen(study, Interval(60, 300), jobs)
    assert len(lines) < 24 and max(map(len, lines)) <= 80
    assert lines[0] == "1 to 5 minutes to go, study half (config/half.yaml)"
    for name in ("done", "running", "failed", "missing", "diverged"):
        assert name in lines[1].split()
    rows = [line for line in lines if line.startswith("training dense/mlp-1 ")]
    assert rows[0].split()[1:] == [
        "dense/mlp-1", "β=0.001", "seed=0", "15,000/60,000", "8,240/s", "1250.5", "30.25",
        "5.5", "s",
    ]  # fmt: skip
    assert len([line for line in lines if line.startswith("training half/mlp-1")]) == 1
    if jobs == 30:
        assert any(line.startswith("… ") and line.strip().endswith("more jobs") for line in lines)


def test_the_speed_has_no_exponent():
    assert [in_digits(speed) for speed in (8243.7, 12.34, 0.5)] == ["8,240", "12.3", "0.5"]
