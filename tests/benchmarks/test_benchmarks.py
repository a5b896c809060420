"""The benchmarks' own claims: what is done is done, and documents say what was measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

DOCUMENT = ROOT / "docs/performance.md"
MEASURED = ROOT / "docs/performance"


def call(script, *arguments):
    command = [sys.executable, str(ROOT / "benchmarks" / script), *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout


@pytest.fixture
def numbers(tmp_path):
    """Files as the benchmarks write them, with round numbers."""
    planned = {"study": "splits", "runs": 1000, "seconds": 10.0, "peak_gb": 1.0}
    files = {
        "workflow": [
            *(planned | {"call": call, "pack": pack}
              for call in ("dry run", "all done") for pack in (1, 60)),
            {"study": "paper", "call": "dry run", "pack": 1, "runs": 6240, "seconds": 44.0},
            {"study": "paper", "call": "dry run", "pack": 60, "runs": 6240, "seconds": 16.0},
        ],
        "store": [
            {"what": "run", "inodes": 20.0},
            *({"what": "object", "arch": arch, "mb": 10.0}
              for arch in ("mlp-1", "mlp-3", "cnn-1", "cnn-3")),
        ],
        "tables": [{"runs": 100, "seconds": 1.0, "peak_gb": 0.1}],
        "study": [
            {"grows": grows, "runs": 6, "images": 1024, "iterations": 200, "pack": pack,
             "cores": 1, "jobs": 9, "seconds": 30.0, "snakemake": 8.0, "rdpipe": 20.0,
             "products": 2.0} | {grows: number}
            for grows, pack in (("runs", False), ("runs", True), ("images", True),
                                ("iterations", True))
            for number in (1024, 4096)
        ],
        "train": [
            {"arch": "mlp-1", "method": "rdpipe", "runs": 12, "precision": "float32",
             "ratio_to_plain": 1.8, "ratio_to_pythae": None, "share_of_peak": 0.7},
        ],
    }  # fmt: skip
    for name, rows in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"rows": rows}))
    return tmp_path


def cells(text):
    """First cell of each line of a table -> the others; the first line of a name counts."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return {line[0]: line[1:] for line in reversed(lines) if line}


def test_targets_are_judged_by_what_was_measured(numbers):
    table = cells(call("report.py", numbers))
    assert table["paper's study, dry run, single"] == ["≤ 45 s", "44.0 s", "yes"]
    assert table["paper's study, dry run, packed"] == ["≤ 15 s", "16.0 s", "no"]
    assert table["mlp-1, float32, packed, per run: plain loop"] == ["≥ 1.7 ×", "1.80 ×", "yes"]
    assert table["a job that is a store hit"] == ["≤ 1 s", "not measured", ""]
    assert table["GPU, mlp-1, single run: plain loop"] == ["≥ 4 ×", "needs a GPU", ""]


def test_twice_the_speed_is_half_the_time_and_no_gpu_is_idle(numbers):
    days = {n: [float(cell) for cell in row] for n, row in
            cells(call("report.py", numbers)).items() if n in ("1", "4", "64")}  # fmt: skip
    full, half, tenth = days["1"]
    assert (half, tenth) == pytest.approx((2 * full, 10 * full), rel=0.05)
    assert days["4"] == pytest.approx([day / 4 for day in days["1"]], rel=0.05)


def test_the_outlook_is_in_proportion(numbers):
    table = cells(call("report.py", numbers))
    assert table["dry run, single [s]"] == ["62", "6,240", "10,000"]
    assert table["store [GB]"] == ["62", "6,240", "10,000"]
    assert table["files, folders and links"] == ["124,800", "12,480,000", "20,000,000"]


def test_tables_are_put_into_a_document_and_nothing_else_changes(numbers, tmp_path):
    names = (
        "targets",
        "training",
        "training on a GPU",
        "graphs",
        "agreement",
        "agreement on a GPU",
        "convolutions",
        "evaluation",
        "diagnostics",
        "outlook",
        "study",
        "gpus",
    )
    document = tmp_path / "page.md"
    document.write_text("a\n" + "".join(f"<!-- {n} -->\nold\n<!-- /{n} -->\nb\n" for n in names))
    printed = call("report.py", numbers, "--write", document)
    tables = printed.rstrip("\n").split("\n\n")
    filled = zip(names, tables, strict=True)
    assert document.read_text("utf-8") == "a\n" + "".join(
        f"<!-- {name} -->\n{table}\n<!-- /{name} -->\nb\n" for name, table in filled
    )


def test_figures_are_drawn_from_what_was_measured_alike_each_time(numbers):
    drawn = call("plot.py", numbers).split()
    assert [Path(path).name for path in drawn] == ["planning.svg", "growth.svg", "study.svg"]
    first = Path(drawn[0]).read_bytes()
    call("plot.py", numbers)
    assert Path(drawn[0]).read_bytes() == first


@pytest.mark.skipif(
    not all((MEASURED / f"{name}.json").exists() for name in ("workflow", "store", "tables")),
    reason="not measured yet",
)
def test_the_page_shows_what_was_measured():
    for table in call("report.py", MEASURED).rstrip("\n").split("\n\n"):
        assert table in DOCUMENT.read_text("utf-8"), (
            "run `python benchmarks/report.py docs/performance --write docs/performance.md`"
        )


@pytest.mark.workflow
def test_a_study_that_is_laid_out_as_done_leaves_snakemake_nothing_to_do(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import workflow

    study = workflow.synthetic(120, *workflow.CURVES)
    for row in workflow.measure("splits", study, ("all done",), ("single", "packed")):
        assert row["jobs"] == 1  # that which sets the plain names
