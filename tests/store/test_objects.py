"""What one may rely on of the store: whole objects or none, first writer wins, damage is seen."""

import errno
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json
from rdpipe.store import objects as store_module
from rdpipe.store.links import publish
from rdpipe.store.objects import Store, content_of

KEY = "ab" + "0" * 62


def record():
    return {"stage": "test"}


def writes(text):
    return lambda folder: (folder / "data.txt").write_text(text)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_an_object_is_found_with_its_record(store):
    assert store.find(KEY) is None
    folder = store.add(KEY, writes("hello"), record)
    assert store.find(KEY) == folder
    said = read_json(folder / "record.json")
    assert (said["key"], said["stage"]) == (KEY, "test")
    assert set(said["files"]["data.txt"]) == {"bytes", "sha256", "content"}


def test_files_are_read_only(store):
    folder = store.add(KEY, writes("hello"), record)
    assert all(path.stat().st_mode & 0o222 == 0 for path in folder.iterdir())


def test_a_failed_writer_leaves_nothing(store):
    def fails(folder):
        (folder / "data.txt").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.add(KEY, fails, record)
    assert store.find(KEY) is None
    assert not list((store.root / "tmp").iterdir())


def test_the_first_writer_wins(store):
    first = store.add(KEY, writes("first"), record)
    second = store.add(KEY, writes("second"), record)
    assert first == second
    assert (second / "data.txt").read_text() == "first"


def test_many_writers_at_once_end_with_one_object(store):
    barrier = threading.Barrier(8)

    def write(folder):
        (folder / "data.txt").write_text(str(threading.get_ident()))
        barrier.wait()

    folders = []
    threads = [
        threading.Thread(target=lambda: folders.append(store.add(KEY, write, record)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(folders) == {store.find(KEY)}
    assert len(folders) == 8
    assert not list((store.root / "tmp").iterdir())


def damage(path, text="hullo"):
    path.chmod(0o644)
    path.write_text(text)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: damage(folder / "data.txt"),
        lambda folder: damage(folder / "record.json"),
        lambda folder: damage(folder / "record.json", "[]"),
        lambda folder: damage(folder / "record.json", '{"files": {"data.txt": 1}}'),
        lambda folder: damage(
            folder / "record.json", (folder / "record.json").read_text().replace('"sha', '"hash')
        ),
        lambda folder: (folder / "data.txt").unlink(),
        lambda folder: (folder / "record.json").unlink(),
    ],
)
def test_a_damaged_object_is_set_aside_and_can_be_made_again(store, spoil):
    spoil(store.add(KEY, writes("hello"), record))
    assert store.find(KEY) is None
    assert len(list((store.root / "damaged").iterdir())) == 1
    folder = store.add(KEY, writes("hello"), record)
    assert store.find(KEY) == folder


def test_a_writer_replaces_a_damaged_object(store):
    damage(store.add(KEY, writes("hello"), record) / "data.txt")
    folder = store.add(KEY, writes("hello"), record)
    assert (folder / "data.txt").read_text() == "hello"


def test_an_object_under_another_key_is_not_taken_for_it(store):
    other = store.path("cd" + "0" * 62)
    other.parent.mkdir(parents=True)
    store.add(KEY, writes("hello"), record).rename(other)
    assert store.find(other.name) is None


def test_content_of_an_input_comes_from_its_record_or_from_the_file(store, tmp_path):
    folder = store.add(KEY, writes("hello"), record)
    publish(folder, {"data.txt": tmp_path / "link.txt"})
    (tmp_path / "copy.txt").write_text("hello")
    assert content_of(tmp_path / "link.txt") == content_of(tmp_path / "copy.txt")


def test_a_damaged_input_stops_the_job_with_a_sentence_and_is_made_anew(store, tmp_path):
    folder = store.add(KEY, writes("hello"), record)
    publish(folder, {"data.txt": tmp_path / "link.txt"})
    damage(folder / "data.txt")
    with pytest.raises(RdpipeError, match=r"link\.txt was damaged .* call snakemake again"):
        content_of(tmp_path / "link.txt")
    assert not (tmp_path / "link.txt").exists()
    assert store.find(KEY) is None


def test_an_input_whose_record_is_gone_is_not_believed(store, tmp_path):
    folder = store.add(KEY, writes("hello"), record)
    publish(folder, {"data.txt": tmp_path / "link.txt"})
    (folder / "record.json").unlink()
    with pytest.raises(RdpipeError, match="was damaged"):
        content_of(tmp_path / "link.txt")


# What a network file system, other hosts and other users may do meanwhile.


def test_whom_the_root_lets_in_all_of_the_store_lets_in(store):
    store.root.mkdir()
    store.root.chmod(0o2775)
    before = os.umask(0o077)
    try:
        folder = store.add(KEY, writes("hello"), record)
    finally:
        os.umask(before)
    folders = [folder, *list(folder.parents)[:2], store.root / "tmp"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o2775}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}


class NetworkView:
    """What one host sees of a store on a network file system that other hosts write to.

    It remembers that names were absent. It forgets that of the names in a folder when it opens the
    folder, but not before `late` seconds have been slept.
    """

    def __init__(self, monkeypatch, *absent, late=0.0):
        self.absent, self.late = set(absent), late
        self._stat, self._open = os.stat, os.open
        monkeypatch.setattr(os, "stat", self.stat)
        monkeypatch.setattr(os, "open", self.open)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def stat(self, path, **how):
        self._look_up(path)
        return self._stat(path, **how)

    def open(self, path, *how, **more):
        self._look_up(path)
        if self.late <= 0:
            self.absent -= {name for name in self.absent if name.parent == Path(path)}
        return self._open(path, *how, **more)

    def sleep(self, seconds):
        self.late -= seconds

    def _look_up(self, path):
        if not isinstance(path, int) and self.absent & {Path(path), *Path(path).parents}:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


@pytest.mark.parametrize("level", range(3))
def test_an_object_of_another_host_is_found_at_once(store, monkeypatch, level):
    """This host remembers that there was no such object, or no folder that holds it."""
    folder = store.add(KEY, writes("hello"), record)
    NetworkView(monkeypatch, *[folder, *folder.parents][: level + 1])
    assert store.find(KEY) == folder


def test_another_writers_object_may_be_seen_late(store, monkeypatch):
    """The server refuses the name, but this host does not see yet what has it."""
    first = store.add(KEY, writes("first"), record)
    NetworkView(monkeypatch, first, late=3)
    assert store.add(KEY, writes("second"), record) == first
    assert (first / "data.txt").read_text() == "first"


def test_a_name_that_stays_taken_is_told(store, monkeypatch):
    NetworkView(monkeypatch, store.add(KEY, writes("first"), record), late=float("inf"))
    with pytest.raises(OSError, match="not empty"):
        store.add(KEY, writes("second"), record)


def test_a_rename_whose_answer_was_lost_counts(store, monkeypatch):
    rename = Path.rename

    def renamed_twice(path, target):
        rename(path, target)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", renamed_twice)
    folder = store.add(KEY, writes("hello"), record)
    assert store.find(KEY) == folder


def test_what_reads_damaged_only_once_is_left_alone(store, monkeypatch):
    folder = store.add(KEY, writes("hello"), record)
    digests = iter(["of what was there before"])
    whole = store_module.file_sha256
    monkeypatch.setattr(
        store_module, "file_sha256", lambda path: next(digests, None) or whole(path)
    )
    assert store.find(KEY) == folder
    assert not (store.root / "damaged").exists()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_what_cannot_be_read_is_not_taken_for_damaged(store, tmp_path, monkeypatch, code):
    folder = store.add(KEY, writes("hello"), record)
    publish(folder, {"data.txt": tmp_path / "link.txt"})

    def fails(path):
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(store_module, "file_sha256", fails)
    for look in (lambda: store.find(KEY), lambda: content_of(tmp_path / "link.txt")):
        with pytest.raises(RdpipeError, match=r"the store cannot be read: .*; mend that, or name"):
            look()
    assert folder.exists()


def test_of_two_jobs_that_find_damage_none_sets_the_new_object_aside(store, monkeypatch):
    """The other makes it anew after this one has read it, just before this one moves it."""
    folder = store.add(KEY, writes("hello"), record)
    damage(folder / "data.txt")
    rename = Path.rename

    def slow(path, target):
        if path == folder:
            monkeypatch.undo()
            assert store.find(KEY) is None
            store.add(KEY, writes("anew"), record)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", slow)
    assert store.find(KEY) == folder
    assert (folder / "data.txt").read_text() == "anew"
    assert len(list((store.root / "damaged").iterdir())) == 1


def test_a_damaged_object_that_may_not_be_moved_is_told(store, monkeypatch):
    damage(store.add(KEY, writes("hello"), record) / "data.txt")

    def refused(_path, target):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(target))

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(RdpipeError, match=r"damaged and cannot be set aside .*; let its owner"):
        store.find(KEY)


def test_a_damaged_object_of_a_store_that_cannot_be_written_is_told(store, monkeypatch):
    damage(store.add(KEY, writes("hello"), record) / "data.txt")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RdpipeError, match=r"is damaged, and the store cannot be written: "):
        store.find(KEY)


def test_a_store_that_cannot_be_written_is_told_before_anything_is_computed(store, monkeypatch):
    folder = store.add(KEY, writes("hello"), record)
    monkeypatch.setattr(os, "access", lambda path, _mode: "objects" not in str(path))
    with pytest.raises(RdpipeError, match=r"the store cannot be written: .*Permission denied"):
        store.prepare(KEY)
    assert store.find(KEY) == folder


@pytest.mark.parametrize("name", ["data.txt", "record.json"])
def test_a_full_disk_leaves_nothing(store, monkeypatch, name):
    """A network file system may say it only when a file is flushed."""
    flush = os.fsync

    def full(number):
        if Path(f"/proc/self/fd/{number}").resolve().name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.add(KEY, writes("hello"), record)
    assert store.find(KEY) is None
    assert not list((store.root / "tmp").iterdir())
