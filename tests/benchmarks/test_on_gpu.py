"""The kit for a GPU, tried on a CPU: what is done is kept, and every call ends with a verdict."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from tests import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def kit(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("on_gpu")


def script(name, *arguments):
    """Start a benchmark on one thread of a CPU."""
    command = [sys.executable, str(BENCHMARKS / name), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def rows_of(name, path, *arguments):
    """The rows that a benchmark writes."""
    process = script(name, *arguments, "--json", path)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return json.loads(path.read_text())["rows"]


# --- the runs of Figure 3 -------------------------------------------------------------------------


def test_the_runs_are_those_of_the_papers_study(kit):
    paper = importlib.import_module("figure3").PAPER
    plan = Plan(read_study(yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))))
    assert paper.dataset == plan.datasets["tetrominoes"].settings
    for split, settings in paper.splits.items():
        assert settings == plan.splits[split].settings
        for arch, network in paper.archs.items():
            name = f"{split}/{arch}"
            assert {**paper.training, "arch": network} == plan.training[name].settings
            assert paper.evaluation == plan.evaluation[name].settings
    runs = [
        {"split": split, "arch": arch, "beta": beta, "seed": seed}
        for split in paper.splits for arch in paper.archs
        for beta in paper.betas for seed in paper.seeds
    ]  # fmt: skip
    dataset = {"dataset": "tetrominoes", "split_kind": "cv"}
    dataset["iteration"] = paper.training["iterations"]
    assert [dataset | run for run in runs] == plan.tables["fig3"].settings["runs"]
    assert paper.save_every == plan.study.training.save_every


def test_a_killed_call_goes_on_at_the_next(tmp_path):
    """The first call is killed when it has trained some runs; these are not trained again."""
    call = ("on_gpu.py", "--out", tmp_path, "--device", "cpu", "--tiny", "--steps", "figure3")
    trained = tmp_path / "runs/training"
    killed = script(*call)
    while not (kept := sorted(trained.glob("*/*/beta-*/seed-*"))):
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    before = {path: path.stat().st_ino for path in kept}
    following = script(*call)
    printed, _ = following.communicate()
    assert following.returncode == 0, printed
    assert "figure3     done     (96 of 96 runs)" in printed
    assert {path: path.stat().st_ino for path in kept} == before
    rd = pd.read_csv(tmp_path / "rd.csv")
    axes = ["split", "arch", "beta", "seed", "part"]
    assert len(rd) == 2 * 96 and not rd.duplicated(axes).any()
    assert set(rd["status"]) == {"finished"} and rd["distortion"].gt(0).all()
    assert {path.suffix for path in tmp_path.iterdir() if path.is_file()} == {".json", ".csv"}


# --- steps and their verdicts ---------------------------------------------------------------------


WRITE = "import json, sys; open(sys.argv[1], 'w').write(json.dumps({'rows': [{'n': 1}]}))"


@pytest.fixture
def call(kit, tmp_path, monkeypatch, capsys):
    """Call the kit with steps of small programs, and return its exit status and its table."""

    def call(minutes=1.0, device="cpu", **programs):
        of = {
            step: [
                kit.Unit(step, f"part-{i}", ("-c", program, "{result}"))
                for i, program in enumerate(parts)
            ]
            for step, parts in programs.items()
        }
        monkeypatch.setattr(kit, "units", lambda *_: of)
        out = ["--out", str(tmp_path), "--device", device, "--minutes", str(minutes)]
        monkeypatch.setattr(sys, "argv", ["on_gpu.py", *out])
        with pytest.raises(SystemExit) as ended:
            kit.main()
        return ended.value.code, capsys.readouterr().out

    seen = {"torch": "2", "visible": [], "devices": [kit.FAKED]}
    monkeypatch.setattr(kit, "look", lambda _: seen)
    return call


def test_what_is_done_is_not_done_again(call, tmp_path):
    mark = f"{WRITE}; open({str(tmp_path / 'mark')!r}, 'a').write('once')"
    assert call(graphs=[mark])[0] == 0
    status, table = call(graphs=[mark])
    assert status == 0 and "graphs      done     (1 of 1 parts)" in table
    assert (tmp_path / "mark").read_text() == "once"
    assert json.loads((tmp_path / "graphs.json").read_text())["rows"] == [{"n": 1}]


def test_a_failure_is_told_with_its_remedy_and_stops_nothing_else(call, tmp_path):
    fault = "raise ValueError('no such kernel')"
    status, table = call(graphs=[fault, WRITE], agreement=[WRITE])
    assert status == 1
    assert "graphs      failed   (1 of 2 parts)" in table
    assert "ValueError: no such kernel; to try again, remove units/graphs-part-0.json" in table
    assert "agreement   done     (1 of 1 parts)" in table
    assert call(graphs=[WRITE, WRITE], agreement=[WRITE])[0] == 1
    (tmp_path / "units/graphs-part-0.json").unlink()
    assert call(graphs=[WRITE, WRITE], agreement=[WRITE])[0] == 0


def test_a_call_ends_in_time_and_a_later_one_goes_on(call):
    """A part is only begun if the call has time for one as long as the longest so far."""
    slow = f"import time; time.sleep(5); {WRITE}"
    status, table = call(minutes=9 / 60, graphs=[slow, slow])
    assert status == 3 and "graphs      partly   (1 of 2 parts)" in table
    assert "Call again to go on." in table
    assert call(graphs=[slow, slow])[0] == 0


def test_a_part_that_hangs_is_ended(call):
    start = time.monotonic()
    status, table = call(minutes=1 / 60, graphs=["import time; time.sleep(300)"])
    assert status == 1 and "give more --minutes" in table
    assert time.monotonic() - start < 60


def test_a_step_without_its_packages_is_skipped(kit, call, monkeypatch):
    monkeypatch.setattr(kit, "find_spec", lambda name: None if name == "pytest" else name)
    status, table = call(tests=[WRITE], graphs=[WRITE])
    assert status == 1
    assert "tests       skipped                      missing: pytest (pip install pytest)" in table
    assert "graphs      done" in table


def test_without_a_gpu_nothing_is_measured_in_its_place(kit, call, monkeypatch):
    monkeypatch.setattr(kit, "look", lambda _: {"torch": "2", "visible": [], "devices": []})
    status, table = call(device="cuda", graphs=[WRITE])
    assert status == 1 and "graphs      skipped" in table and "PyTorch finds no GPU" in table


def test_results_of_other_sizes_are_not_mixed(call, kit, tmp_path, monkeypatch):
    call(graphs=[WRITE])
    arguments = ["on_gpu.py", "--out", str(tmp_path), "--device", "cpu", "--tiny"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match="take another folder"):
        kit.main()


def test_tests_that_are_skipped_on_a_gpu_are_no_success(kit, tmp_path):
    junit = tmp_path / "junit.xml"
    junit.write_text(
        '<testsuites><testsuite><testcase classname="a" name="one" time="0.1"/>'
        '<testcase classname="a" name="two" time="0"><skipped message="no CUDA device"/></testcase>'
        "</testsuite></testsuites>"
    )
    rows = kit.tests_of(junit)
    assert "1 of 2 tests were skipped, the first is a::two" in kit.failing_tests(rows, "cuda")
    assert kit.failing_tests(rows, "cpu") == ""
    assert kit.failing_tests([], "cpu")
    rows[0]["failed"] = "assert 1 == 2"
    assert "1 of 2 tests failed, the first is a::one" in kit.failing_tests(rows, "cpu")


def test_a_contender_that_failed_is_missed(kit):
    rows = [
        {"method": method, "runs": runs, "precision": precision}
        for method, most in (("plain loop", [1]), ("rdpipe", [1, 12, 60]))
        for runs in most
        for precision in ("float32", "tf32")
    ]
    assert kit.left_out(rows, "cuda", False) == ""
    assert kit.left_out(rows[:-1], "cuda", False) == "these contenders failed: rdpipe 60 tf32"


def test_all_tests_that_are_marked_for_cuda_are_called(kit):
    marked = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("*.py")
        if path != Path(__file__) and "mark.cuda" in path.read_text("utf-8")
    ]
    assert marked and all(path.startswith(kit.CUDA_TESTS) for path in marked)


# --- the pieces that the kit calls ----------------------------------------------------------------


def test_graphs_and_memory_are_skipped_on_a_cpu_with_a_reason(tmp_path):
    sizes = ("--runs", 1, "--width", 8, "--seconds", 0.01)
    arguments = ("--device", "cpu", "--archs", "mlp-1", *sizes)
    plain, captured, fullest = rows_of("graphs.py", tmp_path / "graphs.json", *arguments)
    assert plain["model_steps_per_second"] > 0 and "memory" in plain["skipped"]
    assert "CUDA graphs" in captured["skipped"] and "model_steps_per_second" not in captured
    assert fullest["as_many_as_fit"] and fullest["skipped"]


def test_packing_changes_no_bit_on_a_cpu(tmp_path):
    sizes = ("--width", 8, "--iterations", 3, "--seeds", 2, "--at-once", 1)
    rows = rows_of("agreement.py", tmp_path / "agreement.json", "--archs", "mlp-1", *sizes)
    alone = [row for row in rows if row["at_once"] == 1]
    assert {row["beta"] for row in alone} == {0.1, 1.0}
    for row in alone:
        assert row["D_rms_from_all_at_once"] == row["R_rms_from_all_at_once"] == 0
        assert row["D_rms_difference"] > 0  # from float64


@pytest.mark.parametrize(("supported", "size"), [(True, 2048), (False, 256)])
def test_bfloat16_products_are_small_where_a_cpu_is_slow_at_them(monkeypatch, supported, size):
    monkeypatch.syspath_prepend(BENCHMARKS)
    contenders = importlib.import_module("_contenders")
    torch = contenders.torch
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    for precision, expected in (("float32", 2048), ("bfloat16", size)):
        task = contenders.Task("products", "mlp-1", 1, precision, torch.device("cpu"))
        assert contenders.product_size(task) == expected
