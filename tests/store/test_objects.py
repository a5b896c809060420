"""What one may rely on of the store: whole objects or none, first writer wins, damage is seen."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json
from rdpipe.store import objects as store_module
from rdpipe.store.objects import (
    Store,
    check_room,
    content_of,
    place_link,
    publish,
    remove_lost,
    set_plain_names,
)

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


def test_links_into_a_store_of_the_project_move_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Store(Path("results/store")).add(KEY, writes("hello"), record)
    link = tmp_path / "results" / "split" / "data.txt"
    for _ in range(2):
        publish(folder, {"data.txt": link})
        assert link.read_text() == "hello"
        assert not link.readlink().is_absolute()
    (tmp_path / "results").rename(tmp_path / "moved")
    assert (tmp_path / "moved/split/data.txt").read_text() == "hello"


def test_links_into_a_store_elsewhere_outlive_a_move_of_the_results(store, tmp_path):
    folder = store.add(KEY, writes("hello"), record)
    publish(folder, {"data.txt": tmp_path / "results/deep/er/data.txt"})
    (tmp_path / "results/deep/er").rename(tmp_path / "moved")
    assert (tmp_path / "moved/data.txt").read_text() == "hello"


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


def test_plain_names_show_the_current_study_or_nothing(tmp_path):
    (tmp_path / "fig-new.pdf").touch()
    links = {str(tmp_path / "fig.pdf"): "fig-new.pdf"}
    set_plain_names(links)
    assert (tmp_path / "fig.pdf").readlink().name == "fig-new.pdf"
    set_plain_names({str(tmp_path / "fig.pdf"): "fig-newer.pdf"})
    assert not (tmp_path / "fig.pdf").is_symlink()


def test_a_folder_in_place_of_a_link_is_told(tmp_path):
    (tmp_path / "fig3").mkdir()
    with pytest.raises(RdpipeError, match="copied without their links"):
        place_link(tmp_path / "fig3", "fig3-0123456789")


def test_links_to_what_is_gone_are_removed(store, tmp_path):
    names = ["gone.txt", "there.txt", "never.txt"]
    links = [str(tmp_path / name) for name in names]
    for link in links[:2]:
        publish(store.add(KEY, writes("hello"), record), {"data.txt": Path(link)})
    damage(store.path(KEY) / "data.txt")
    store.find(KEY)
    (tmp_path / "there.txt").unlink()
    (tmp_path / "there.txt").touch()
    remove_lost(links, store.root)
    assert [(tmp_path / name).is_symlink() for name in names] == [False] * 3
    assert (tmp_path / "there.txt").exists()


def test_an_empty_store_is_not_taken_for_one_that_has_lost_everything(store, tmp_path):
    link = tmp_path / "link.txt"
    publish(store.add(KEY, writes("hello"), record), {"data.txt": link})
    store.root.rename(tmp_path / "unmounted")
    store.root.mkdir()
    with pytest.raises(RdpipeError, match=r"has no objects; mount its disk"):
        remove_lost([str(link)], store.root)
    assert link.is_symlink()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_folder_without_room_is_told(tmp_path, monkeypatch, code):
    check_room(tmp_path)
    assert not list(tmp_path.iterdir())

    def full(_file):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RdpipeError, match=r"has no room left \(.*\); make some"):
        check_room(tmp_path)


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


def test_another_writers_object_may_be_seen_late(store, monkeypatch):
    """The server refuses the name, but what holds it is not to be seen yet."""
    first = store.add(KEY, writes("first"), record)
    late = iter([True, True])
    seen = store_module._inode
    monkeypatch.setattr(
        store_module,
        "_inode",
        lambda folder: None if folder == first and next(late, False) else seen(folder),
    )
    pauses = []
    monkeypatch.setattr(store_module.time, "sleep", pauses.append)
    assert store.add(KEY, writes("second"), record) == first
    assert pauses == [0, 1]
    assert (first / "data.txt").read_text() == "first"


def test_a_name_that_stays_taken_is_told(store, monkeypatch):
    store.add(KEY, writes("first"), record)
    monkeypatch.setattr(Store, "find", lambda *_: None)
    monkeypatch.setattr(store_module.time, "sleep", lambda _: None)
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


def test_every_folder_on_the_way_is_asked_anew_what_it_holds(store, monkeypatch):
    """As a network file system may remember that there was none, of any of them."""
    opened, whole = [], os.open

    def noted(path, *flags, **more):
        opened.append(Path(path).name)
        return whole(path, *flags, **more)

    store.add(KEY, writes("hello"), record)
    monkeypatch.setattr(os, "open", noted)
    store.find("ab" + "1" * 62)
    assert opened == [store.root.name, "objects", "ab"]


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


def test_a_link_that_cannot_be_placed_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to("before")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        place_link(tmp_path / "link", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
    assert str((tmp_path / "link").readlink()) == "before"
