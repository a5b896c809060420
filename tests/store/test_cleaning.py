"""What a store holds, which objects are needed, and how parts of it are removed."""

import os
import time
from pathlib import Path

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.store.cleaning import contents, last_change, remove, size
from rdpipe.store.links import publish
from rdpipe.store.objects import Store

KEYS = ["ab" + "0" * 62, "ab" + "1" * 62, "cd" + "0" * 62]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with three objects, in a project."""
    monkeypatch.chdir(tmp_path)
    store = Store(Path("results/store"))
    for key in KEYS:
        store.add(key, lambda folder: (folder / "data.txt").write_text("hello"), dict)
    return store


def test_an_object_is_needed_if_a_link_in_the_results_leads_to_it(store):
    publish(store.path(KEYS[0]), {"data.txt": Path("results/splits/half/data.txt")})
    Path("results/splits/plain").symlink_to("half")  # of no object
    held = contents(store, Path("results"))
    assert held["needed"] == [store.path(KEYS[0])]
    assert held["other"] == [store.path(key) for key in KEYS[1:]]


def test_an_object_is_needed_wherever_the_store_lies(store, tmp_path):
    elsewhere = Store(store.root.rename(tmp_path / "elsewhere"))
    publish(elsewhere.path(KEYS[2]), {"data.txt": Path("results/a/data.txt")})
    held = contents(elsewhere, Path("results"))
    assert held["needed"] == [elsewhere.path(KEYS[2])]


def test_what_jobs_left_is_told_by_its_folder(store):
    (store.folder("state") / "x.safetensors").write_text("half-way")
    (store.folder("state") / ".x.safetensors.01234567").write_text("half")
    store.folder("damaged", "abc")
    store.folder("tmp", "killed")
    held = contents(store, Path("results"))
    assert [path.name for path in held["state"]] == [".x.safetensors.01234567", "x.safetensors"]
    assert [path.name for path in held["damaged"]] == ["abc"]
    assert [path.name for path in held["tmp"]] == ["killed"]


def test_an_empty_store_holds_nothing(tmp_path):
    held = contents(Store(tmp_path / "store"), tmp_path / "results")
    assert not any(held.values())


def test_size_counts_the_bytes_of_files_in_folders(tmp_path):
    (tmp_path / "folder/deep").mkdir(parents=True)
    before = size([tmp_path / "folder"])
    (tmp_path / "folder/deep/file").write_bytes(bytes(12_345))
    (tmp_path / "file").write_bytes(bytes(1_000))
    assert size([tmp_path / "folder", tmp_path / "file"]) == before + 13_345
    assert size([]) == 0


def test_the_last_change_is_that_of_anything_inside_whatever_its_time_says(tmp_path):
    (tmp_path / "folder/deep").mkdir(parents=True)
    before = last_change(tmp_path / "folder")
    time.sleep(0.02)
    file = tmp_path / "folder/deep/file"
    file.touch()
    os.utime(file, (0, 0))  # an object's files may be older than the object
    assert last_change(tmp_path / "folder") > before


def test_a_path_that_is_gone_is_not_old(tmp_path):
    """So another call's removal is not repeated."""
    assert last_change(tmp_path / "gone") == float("inf")


def test_a_removed_object_or_state_leaves_nothing(store):
    state = store.folder("state") / "x.safetensors"
    state.touch()
    for path in (store.path(KEYS[0]), state):
        remove(store, path)
        assert not path.exists()
    assert store.find(KEYS[0]) is None
    assert store.find(KEYS[1])
    assert not list((store.root / "tmp").iterdir())


def test_an_object_that_cannot_be_removed_whole_is_gone_for_others(store, monkeypatch):
    """Never is there an object that lacks some of its files."""

    def stopped(_path):
        raise PermissionError

    monkeypatch.setattr("shutil.rmtree", stopped)
    with pytest.raises(PermissionError):
        remove(store, store.path(KEYS[0]))
    assert store.find(KEYS[0]) is None
    assert not (store.root / "damaged").exists()


def test_nothing_is_removed_from_a_store_that_cannot_be_written(store, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RdpipeError, match="the store cannot be written"):
        remove(store, store.path(KEYS[0]))
    assert store.find(KEYS[0])
