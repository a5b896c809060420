"""The rdpipe command."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rdpipe.cli import app
from rdpipe.store import Store

ROOT = Path(__file__).parent.parent


@pytest.fixture
def call(monkeypatch):
    """Call the command in the project's folder."""
    monkeypatch.chdir(ROOT)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_check_counts_the_runs_of_each_target(call):
    result = call("check")
    assert result.exit_code == 0
    assert "trains 6,240 different runs" in result.output
    assert "240" in result.output


def test_check_takes_overlays(call):
    assert "trains 4 different runs" in call("check", "config/tests.yaml").output


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "this is no mapping of settings"),
        ("a: [", "this is not YAML"),
        ("betas: [1, 1]", "betas: 1 is given twice"),
        (None, "there is no such file"),
    ],
)
def test_a_fault_is_one_sentence(call, tmp_path, text, sentence):
    overlay = tmp_path / "overlay.yaml"
    if text is not None:
        overlay.write_text(text)
    result = call("check", str(overlay))
    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_schema_is_json(call):
    assert "betas" in json.loads(call("schema").output)["properties"]


def test_verify_reads_every_object(call, tmp_path):
    store = Store(tmp_path / "store")
    for key in ("ab" + "0" * 62, "cd" + "0" * 62):
        store.add(key, lambda folder: (folder / "data.txt").write_text("hello"), dict)
    (tmp_path / "overlay.yaml").write_text(f"store: {store.root}")
    assert "2 objects are whole" in call("verify", str(tmp_path / "overlay.yaml")).output
    damaged = next(store.root.glob("objects/ab/*/data.txt"))
    damaged.chmod(0o644)
    damaged.write_text("hullo")
    result = call("verify", str(tmp_path / "overlay.yaml"))
    assert result.exit_code == 1
    assert "1 objects are whole, 1 were damaged" in result.output
