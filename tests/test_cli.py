"""The rdpipe command."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rdpipe.cli import app
from rdpipe.store import objects as store_module
from rdpipe.store.links import publish
from rdpipe.store.objects import Store
from rdpipe.store.roots import register
from tests import ROOT


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


def test_check_names_the_study_and_its_files(call):
    told = " ".join(call("check", "config/tests.yaml").output.split())
    assert "Study tests: config.yaml with config/tests.yaml on it" in told
    assert "results/tests/" in told


def test_check_refuses_an_overlay_that_forgets_its_targets(call, tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("experiments: {mine: {splits: [default], archs: [mlp-1]}}")
    result = call("check", str(overlay))
    assert result.exit_code == 1
    assert "add `targets: [mine]`" in result.output


def test_the_code_of_another_clone_is_refused(call, tmp_path, monkeypatch):
    (tmp_path / "src" / "rdpipe").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 1
    assert f"has its own in {tmp_path}/src/rdpipe; call `make install` here" in result.output


def test_check_takes_overlays(call):
    assert "trains 4 different runs" in call("check", "config/tests.yaml").output


@pytest.mark.parametrize("option", ["--configfile", "--configfiles"])
def test_overlays_may_follow_the_option_that_snakemake_has(call, tmp_path, option):
    (tmp_path / "more.yaml").write_text("seeds: [0, 1, 2]")
    files = ["config/tests.yaml", str(tmp_path / "more.yaml")]
    assert "trains 6 different runs" in call("check", option, *files).output
    assert "trains 6 different runs" in call("check", option, files[0], option, files[1]).output
    assert "trains 4 different runs" in call("check", files[1], option, files[0]).output


def test_check_counts_own_pictures_and_shows_the_studys_own_targets(call, tmp_path):
    (tmp_path / "mine").mkdir()
    for number in range(3):
        (tmp_path / f"mine/{number}.png").touch()
    overlay = tmp_path / "overlay.yaml"
    images = tmp_path / "mine"
    overlay.write_text(f"datasets: {{mine: {{kind: images, images: {images}, size: [8, 8]}}}}")
    told = " ".join(call("check", "config/tests.yaml", str(overlay)).output.split())
    assert f"Dataset mine: 3 pictures in {images}." in told
    table, _, others = told.partition("`snakemake` without a target")
    assert "fig3" in table and "fig4" not in table
    assert " more targets can be asked for by name: " in others and "fig4" in others


def test_check_tells_missing_images(call, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("datasets: {mine: {kind: images, images: no-such-folder}}")
    result = call("check", str(overlay))
    assert result.exit_code == 1
    assert "datasets.mine.images: no-such-folder does not exist" in result.output


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "this is no mapping of settings"),
        ("a: [", "this is not YAML"),
        ("seeds: [0]\nbetas: [1]\nseeds: [1]", "seeds is given in line 1 and again in line 3"),
        ("betas: [1, 1]", "betas: 1 is given twice"),
        (None, "there is no such file"),
        ("store: /nowhere/store", "store: /nowhere/store cannot be read (No such file"),
        (
            "store: $NOWHERE/store",
            "store: $NOWHERE/store names the variable NOWHERE, which is not set",
        ),
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
    assert "betas" in json.loads(call("schema", "--overlay").output)["properties"]


def test_settings_describes_every_block(call):
    for block in ("datasets", "splits", "archs", "training", "evaluation", "experiments"):
        assert f"## `{block}`" in call("settings").output


def test_verify_reads_every_object(call, tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    for key in ("ab" + "0" * 62, "cd" + "0" * 62):
        store.add(key, lambda folder: (folder / "data.txt").write_text("hello"), dict)
    monkeypatch.setenv("DISK", str(tmp_path))
    (tmp_path / "overlay.yaml").write_text("store: $DISK/store")
    result = call("verify", str(tmp_path / "overlay.yaml"))
    assert result.exit_code == 0
    assert "2 objects read" in result.output
    damaged = next(store.root.glob("objects/ab/*/data.txt"))
    damaged.chmod(0o644)
    damaged.write_text("hullo")
    result = call("verify", str(tmp_path / "overlay.yaml"))
    assert result.exit_code == 4
    assert f"{damaged.parent}: data.txt has other bytes" in result.output
    assert damaged.exists()


def test_verify_tells_what_it_cannot_read_and_goes_on(call, tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    for key in ("ab" + "0" * 62, "cd" + "0" * 62):
        store.add(key, lambda folder: (folder / "data.txt").write_text("hello"), dict)
    (tmp_path / "overlay.yaml").write_text(f"store: {store.root}")
    whole = store_module.file_sha256

    def refused(path):
        if "/ab/" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(store_module, "file_sha256", refused)
    result = call("verify", str(tmp_path / "overlay.yaml"))
    assert result.exit_code == 8
    assert "data.txt: Permission denied" in result.output


@pytest.fixture
def full_store(tmp_path, monkeypatch):
    """A project of which one of two objects is in use; and the leftovers of a few jobs."""
    store = Store(tmp_path / "results/store")
    for key in ("ab" + "0" * 62, "cd" + "0" * 62):
        store.add(key, lambda folder: (folder / "data.txt").write_text("hello"), dict)
    publish(store.path("ab" + "0" * 62), {"data.txt": tmp_path / "results/splits/half/data.txt"})
    (store.folder("state") / "x.safetensors").write_text("half-way")
    (store.folder("tmp", "killed") / "data.txt").write_text("half")
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text("utf-8"), "utf-8")
    monkeypatch.chdir(tmp_path)
    return store


def left(store):
    return {
        *(folder.name[:2] for folder in store.root.glob("objects/*/*")),
        *(path.name for name in ("state", "tmp") for path in (store.root / name).iterdir()),
    }


@pytest.mark.parametrize(
    ("arguments", "stays"),
    [
        (["--days", "0"], {"ab", "cd", "killed", "x.safetensors"}),
        (["--remove"], {"ab", "cd", "killed", "x.safetensors"}),
        (["--days", "0", "--remove"], {"ab", "cd"}),
        (["--days", "0", "--remove", "--objects"], {"ab"}),
    ],
)
def test_clean_removes_what_it_is_told_to(full_store, arguments, stays):
    time.sleep(0.02)
    result = CliRunner().invoke(app, ["clean", *arguments])
    assert result.exit_code == 0
    assert left(full_store) == stays
    assert Path("results/splits/half/data.txt").read_text() == "hello"


def test_clean_says_what_may_not_be_removed(full_store, monkeypatch):
    def refused(path, _target):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "rename", refused)
    time.sleep(0.02)
    result = CliRunner().invoke(app, ["clean", "--days", "0", "--remove"])
    assert result.exit_code == 0
    assert "stays" in result.output
    assert "Permission" in result.output


def test_clean_takes_nothing_while_the_results_of_another_checkout_are_gone(full_store, tmp_path):
    others = tmp_path / "other/results"
    register(full_store, others)
    publish(full_store.path("cd" + "0" * 62), {"data.txt": others / "data.txt"})
    time.sleep(0.02)
    how = ["clean", "--days", "0", "--objects", "--remove"]
    assert CliRunner().invoke(app, how).exit_code == 0
    assert left(full_store) == {"ab", "cd"}
    others.rename(tmp_path / "unmounted")
    result = CliRunner().invoke(app, how)
    assert result.exit_code == 1
    assert f"no objects may go, because they may be needed by other results: {others}" in (
        result.output
    )
    assert left(full_store) == {"ab", "cd"}
    assert CliRunner().invoke(app, [*how, "--forget", str(others)]).exit_code == 0
    assert left(full_store) == {"ab"}


def test_verify_adds_up_what_it_found_and_repairs_what_it_can(full_store, tmp_path):
    verify = lambda *options: CliRunner().invoke(app, ["verify", *options])  # noqa: E731
    assert verify().exit_code == 0  # a half-written folder is no fault
    (full_store.path("cd" + "0" * 62) / "record.json").unlink()
    lost = tmp_path / "results/splits/half/lost.txt"
    lost.symlink_to(full_store.path("ef" + "0" * 62) / "lost.txt")
    result = verify()
    assert result.exit_code == 4 + 16
    for line in ("record.json is missing", "leads to no file: the object is gone", "unfinished"):
        assert line in result.output
    assert verify("--repair").exit_code == 4 + 16
    assert verify().exit_code == 0
    assert not lost.is_symlink()
    assert len(list((full_store.root / "damaged").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["verify", "--part", "11/10"], "--part 11/10 is no part"),
        (["adopt", "trainings"], "trainings is no stage; the stages are datasets, splits"),
        (["adopt", "training", "--sample", "0"], "--sample 0 is neither a number above 0 nor"),
        (["adopt", "training", "--sample", "some"], "--sample some is neither"),
        (["clean", "--forget", "nowhere"], "knows no results in nowhere"),
    ],
)
def test_a_call_that_makes_no_sense_is_one_sentence(full_store, arguments, sentence):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output
