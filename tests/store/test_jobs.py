"""One job: what it asks the store for, what it computes, what its records say."""

import copy
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from rdpipe.common.files import read_json, write_json
from rdpipe.store import provenance
from rdpipe.store.jobs import Item, Job, items_of_runs
from rdpipe.store.leases import Cleaner
from rdpipe.store.objects import Store
from rdpipe.store.roots import roots
from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from tests import ROOT

PAPER = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
RUNS = [{"beta": beta, "seed": 0} for beta in (0.1, 1.0, 5.0)]


def spec(stage="training", **changes):
    """The specification of one stage's job, with some of its settings changed."""
    config = copy.deepcopy(PAPER)
    config[stage] |= changes
    return getattr(Plan(read_study(config)), stage)["cv-16k/mlp-1"].spec(RUNS)


@pytest.fixture
def job(tmp_path):
    """A job in a store of its own."""
    return lambda **of: Job(
        spec(**of), store=str(tmp_path / "store"), log_file=str(tmp_path / "job.log")
    )


def items(folder, runs=RUNS):
    """Items that read one file and write one each."""
    (folder / "in.json").write_text("[]")
    outputs = [str(folder / f"beta-{run['beta']}" / "out.json") for run in runs]
    return items_of_runs(runs, {"data": str(folder / "in.json")}, {"out.json": outputs})


def yields(asked, fail_at=None):
    """A computation that notes what it was asked for, and may fail before an item."""

    def compute(missing, state):
        asked.append([item.axes["beta"] for item in missing])
        for item in missing:
            if item.axes["beta"] == fail_at:
                state.write_text("half-way")
                raise RuntimeError("half-way")
            beta = item.axes["beta"]
            yield item, lambda folder, beta=beta: write_json(folder / "out.json", beta)

    return compute


def record(path):
    return read_json(Path(path).resolve().parent / "record.json")


def test_a_checkpoint_has_the_key_of_a_run_that_ends_there(job, tmp_path):
    (tmp_path / "in.json").write_text("[]")
    reads, end = {"data": str(tmp_path / "in.json")}, {"beta": 0.1, "seed": 0}
    runs = [end | {"checkpoint": 500}, end]
    longer = items_of_runs(runs, reads, {"out.json": ["a", "b"]}, length="iterations")
    shorter = items_of_runs([end], reads, {"out.json": ["a"]}, length="iterations")
    checkpoint, last = (job().key(item) for item in longer)
    assert checkpoint == job(iterations=500).key(shorter[0])
    assert last == job().key(shorter[0]) != checkpoint


def test_runs_and_inputs_are_in_the_store_key(job, tmp_path):
    keys = {job().key(item) for item in items(tmp_path)}
    (tmp_path / "in.json").write_text("[1]")
    changed = Item({"data": str(tmp_path / "in.json")}, {}, RUNS[0])
    assert len(keys | {job().key(changed)}) == 4


def test_what_is_stored_is_not_computed_again(job, tmp_path):
    asked = []
    job().make_all(items(tmp_path), yields(asked))
    for item in items(tmp_path):
        Path(item.outputs["out.json"]).unlink()
    job().make_all(items(tmp_path), yields(asked))
    assert asked == [[0.1, 1.0, 5.0]]
    assert [read_json(Path(item.outputs["out.json"])) for item in items(tmp_path)] == [0.1, 1, 5]


def test_a_record_says_what_an_object_was_made_from_and_how_many_together(job, tmp_path):
    job().make_all(items(tmp_path, RUNS[:1]), yields([]))
    job().make_all(items(tmp_path), yields([]))
    records = [record(item.outputs["out.json"]) for item in items(tmp_path)]
    assert [said["pack"] for said in records] == [1, 2, 2]
    assert [said["settings"]["run"] for said in records] == RUNS
    assert [said["key"] for said in records] == [job().key(item) for item in items(tmp_path)]
    assert [set(said["inputs"]) for said in records] == [{"data"}] * 3


def test_runs_that_are_computed_together_share_the_time(job, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(provenance, "perf_counter", lambda: now[0])

    def train(missing, _state):
        now[0] += 300
        yield from yields([])(missing, _state)

    job().make_all(items(tmp_path), train)
    assert [record(item.outputs["out.json"])["seconds"] for item in items(tmp_path)] == [100] * 3


def test_an_interrupted_pack_goes_on_with_the_same_members(job, tmp_path, capfd):
    """One was stored long before, one just before the failure: only the latter is made again."""
    asked = []
    job().make_all(items(tmp_path, RUNS[:1]), yields(asked))
    with pytest.raises(SystemExit):
        job().make_all(items(tmp_path), yields(asked, fail_at=5.0))
    assert "RuntimeError: half-way (see " in capfd.readouterr().err
    job().make_all(items(tmp_path), yields(asked))
    assert asked == [[0.1], [1.0, 5.0], [1.0, 5.0]]
    assert not list((tmp_path / "store" / "state").iterdir())


def test_what_does_not_fit_at_once_is_made_in_rounds(job, tmp_path):
    asked = []
    job().make_all(items(tmp_path), yields(asked), at_once=lambda: 2)
    assert asked == [[0.1, 1.0], [5.0]]
    packs = [record(item.outputs["out.json"])["pack"] for item in items(tmp_path)]
    assert packs == [2, 2, 1]
    assert not list((tmp_path / "store" / "state").iterdir())


def test_a_checkout_goes_on_from_its_own_state_only(job, tmp_path, monkeypatch):
    """Another that computes the same neither takes it up nor removes it."""
    asked = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()

    def start(checkout, fail_at=None):
        monkeypatch.chdir(tmp_path / checkout)
        job().make_all(items(tmp_path), yields(asked, fail_at))

    with pytest.raises(SystemExit):
        start("one", fail_at=1.0)  # 0.1 is stored by now, the others are not
    (state,) = (tmp_path / "store/state").glob("*.safetensors")
    start("two")
    assert asked == [[0.1, 1.0, 5.0], [1.0, 5.0]]
    assert state.read_text() == "half-way"
    start("one")
    assert len(asked) == 2
    assert not list((tmp_path / "store/state").iterdir())


def test_a_job_registers_its_results_once_and_has_a_lease_while_it_runs(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store, seen = Store(tmp_path / "store"), []
    runs = [Item({}, {"out.json": f"results/a/{run['beta']}.json"}, run) for run in RUNS]

    def compute(missing, _state):
        seen.append(Cleaner(store).leased())
        yield from yields([])(missing, _state)

    job().make_all(runs, compute)
    job().make_all(runs, compute)
    assert seen[0] > {job().key(item) for item in runs}  # and the state
    assert not Cleaner(store).leased()
    assert [root.path for root in roots(store)] == [tmp_path / "results"]


def test_a_job_waits_for_an_object_that_a_cleaner_looks_at(job, tmp_path, monkeypatch):
    (item,) = items(tmp_path, RUNS[:1])
    asked = []
    job().make_all([item], yields(asked))
    folder = Store(tmp_path / "store").path(job().key(item))
    find = Store.find

    def find_and_lose(store, key):
        found = find(store, key)
        folder.rename(tmp_path / "moved")
        return found

    monkeypatch.setattr(Store, "find", find_and_lose)
    monkeypatch.setattr(time, "sleep", lambda _: (tmp_path / "moved").rename(folder))
    job().make_all([item], yields(asked))
    assert len(asked) == 1
    assert Path(item.outputs["out.json"]).is_file()


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_costs_nothing_that_is_finished(job, tmp_path, capfd):
    def fills_up(missing, _state):
        for item in missing:

            def write(folder, beta=item.axes["beta"]):
                (folder / "out.json").touch()
                if beta == 1.0:
                    raise FULL
                write_json(folder / "out.json", beta)

            yield item, write

    with pytest.raises(SystemExit):
        job().make_all(items(tmp_path), fills_up)
    (sentence,) = capfd.readouterr().err.splitlines()[1:]
    assert "no room is left, on the disk or of your quota" in sentence
    assert "call snakemake again" in sentence
    asked = []
    job().make_all(items(tmp_path), yields(asked))
    assert asked == [[1.0, 5.0]]


def test_a_store_that_is_lacking_and_read_only_is_one_sentence(job, tmp_path, capfd, monkeypatch):
    asked = []
    job().make_all(items(tmp_path, RUNS[:1]), yields(asked))
    monkeypatch.setattr(os, "access", lambda path, _mode: "objects" not in str(path))
    job().make_all(items(tmp_path, RUNS[:1]), yields(asked))
    capfd.readouterr()
    with pytest.raises(SystemExit):
        job().make_all(items(tmp_path), yields(asked))
    said = capfd.readouterr().err
    assert "the store cannot be written: [Errno 13] Permission denied" in said
    assert "Traceback" not in said
    assert asked == [[0.1]]


# Jobs as processes of their own.

PROGRAM = """
import json, sys, time
from pathlib import Path
from rdpipe.common.files import write_json
from rdpipe.store import provenance
from rdpipe.store.jobs import Job, items_of_runs

spec = json.loads(Path("spec.json").read_text())
job = Job(spec, store="store", log_file="job.log")
outputs = [f"out-{run['seed']}.json" for run in spec["runs"]]
items = items_of_runs(spec["runs"], {}, {"out.json": outputs})


def compute(missing, state):
    for item in missing:
        while item.axes["seed"] == 1 and not Path("go-on").exists():
            WAIT
        yield item, lambda folder: write_json(folder / "out.json", [])


job.make_all(items, compute)
print(sorted({"numpy", "pandas", "pyarrow", "torch", "importlib.metadata"} & set(sys.modules)))
"""
PATIENT = "Path('waiting').touch(); time.sleep(0.01)"
ASKING = """
            told = job.stopping()
            Path("waiting").touch()
            if told:
                time.sleep(0.5)  # and may be told again
                state.write_text("half-way")
                raise RuntimeError("stopped")
"""


@pytest.fixture
def program(tmp_path):
    """Start a job of two objects, the second of which waits as it is told here."""
    node = Plan(read_study(PAPER)).splits["cv-16k"]
    write_json(tmp_path / "spec.json", node.spec([{"seed": 0}, {"seed": 1}]))

    def start(wait="pass"):
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM.replace("WAIT", wait)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def wait_for(path, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.01)


def finish(process):
    text, _ = process.communicate(timeout=60)
    return process.returncode, text


SIGNALS = [signal.SIGTERM, signal.SIGINT]  # of a batch system, and of Ctrl-C


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_job_at_once_with_a_sentence(program, tmp_path, number):
    process = program(PATIENT)
    wait_for(tmp_path / "waiting")
    process.send_signal(number)
    code, text = finish(process)
    assert code == 1
    assert f"ended by {number.name}; call snakemake again" in text
    assert f"ended by {number.name}; call snakemake again" in (tmp_path / "job.log").read_text()
    assert "Traceback" not in text
    assert (tmp_path / "out-0.json").is_file()
    assert not list((tmp_path / "store/tmp").iterdir())
    assert not list((tmp_path / "store/state").iterdir())


@pytest.mark.parametrize("number", SIGNALS)
def test_a_job_that_asks_saves_its_state_however_often_signals_come(program, tmp_path, number):
    process = program(ASKING)
    wait_for(tmp_path / "waiting")
    process.send_signal(number)
    time.sleep(0.1)
    process.send_signal(number)
    code, text = finish(process)
    assert code == 1
    assert "RuntimeError: stopped" in text
    (state,) = (tmp_path / "store/state").glob("*.safetensors")
    assert state.read_text() == "half-way"
    (tmp_path / "go-on").touch()
    code, text = finish(program())
    assert code == 0
    assert text.count("computed in") == 2  # the one that was stored belongs to the state, too


def test_two_jobs_that_make_the_same_at_once_end_alike(program, tmp_path):
    processes = [program(PATIENT), program(PATIENT)]
    wait_for(tmp_path / "waiting")
    time.sleep(0.5)
    (tmp_path / "go-on").touch()
    assert [finish(process)[0] for process in processes] == [0, 0]
    assert len(list((tmp_path / "store").glob("objects/*/*"))) == 2
    assert not list((tmp_path / "store/tmp").iterdir())
    assert not list((tmp_path / "store/state").iterdir())


def test_a_store_hit_imports_nothing_heavy(program, tmp_path):
    (tmp_path / "go-on").touch()
    finish(program())
    code, text = finish(program())
    assert code == 0
    assert text.count("from the store") == 2
    assert json.loads(text.splitlines()[-1]) == []
