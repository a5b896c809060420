"""Links in results/: they show objects of a store, the current study, or nothing."""

import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.store.links import (
    check_room,
    leave_the_future,
    place_link,
    publish,
    remove_lost,
    set_plain_names,
)
from rdpipe.store.objects import Store

KEY = "ab" + "0" * 62


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def add(store):
    """The folder of an object with one file."""
    return store.add(KEY, lambda folder: (folder / "data.txt").write_text("hello"), dict)


def test_links_into_a_store_of_the_project_move_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = add(Store(Path("results/store")))
    link = tmp_path / "results" / "split" / "data.txt"
    for _ in range(2):
        publish(folder, {"data.txt": link})
        assert link.read_text() == "hello"
        assert not link.readlink().is_absolute()
    (tmp_path / "results").rename(tmp_path / "moved")
    assert (tmp_path / "moved/split/data.txt").read_text() == "hello"


def test_links_into_a_store_elsewhere_outlive_a_move_of_the_results(store, tmp_path):
    folder = add(store)
    publish(folder, {"data.txt": tmp_path / "results/deep/er/data.txt"})
    (tmp_path / "results/deep/er").rename(tmp_path / "moved")
    assert (tmp_path / "moved/data.txt").read_text() == "hello"


def test_plain_names_show_the_result_of_their_study_or_nothing(tmp_path):
    (tmp_path / "fig-new.pdf").touch()
    name = tmp_path / "mine" / "fig.pdf"
    assert set_plain_names({str(name): "../fig-new.pdf"}) == {}
    assert name.resolve() == tmp_path / "fig-new.pdf"
    removed = set_plain_names({str(name): "../fig-newer.pdf"})
    assert removed == {str(name): str(tmp_path / "fig-new.pdf")}
    assert not name.is_symlink()


def test_a_plain_name_may_show_an_older_result_until_the_new_one_is_there(tmp_path):
    name = tmp_path / "mine" / "fig.pdf"
    for result in ("old", "new"):
        (tmp_path / f"fig-{result}.pdf").write_text(result)
        links = {str(name): f"../fig-{result}.pdf"}
        set_plain_names({str(name): "../fig-next.pdf"}, keep=lambda _: True)
        set_plain_names(links, keep=lambda _: True)
        assert name.read_text() == result


def test_an_object_without_a_file_that_is_expected_is_told(store, tmp_path):
    with pytest.raises(RdpipeError, match=r"holds no table\.csv: this is a fault of rdpipe"):
        publish(add(store), {"table.csv": tmp_path / "table.csv"})
    assert not (tmp_path / "table.csv").is_symlink()


def test_an_object_that_is_moved_away_meanwhile_is_told_apart_from_one_that_lacks_a_file(
    store, tmp_path
):
    folder = add(store)
    folder.rename(tmp_path / "moved")
    assert not publish(folder, {"data.txt": tmp_path / "data.txt"})
    (tmp_path / "moved").rename(folder)
    assert publish(folder, {"data.txt": tmp_path / "data.txt"})


def test_a_folder_in_place_of_a_link_is_told(tmp_path):
    (tmp_path / "fig3").mkdir()
    with pytest.raises(RdpipeError, match="copied without their links"):
        place_link(tmp_path / "fig3", "fig3-0123456789")


def test_links_to_what_is_gone_are_removed(store, tmp_path):
    names = ["gone.txt", "there.txt", "never.txt"]
    links = [str(tmp_path / name) for name in names]
    for link in links[:2]:
        publish(add(store), {"data.txt": Path(link)})
    shutil.rmtree(store.path(KEY))
    (tmp_path / "there.txt").unlink()
    (tmp_path / "there.txt").touch()
    remove_lost(links, store.root)
    assert [(tmp_path / name).is_symlink() for name in names] == [False] * 3
    assert (tmp_path / "there.txt").exists()


def test_an_empty_store_is_not_taken_for_one_that_has_lost_everything(store, tmp_path):
    link = tmp_path / "link.txt"
    publish(add(store), {"data.txt": link})
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


def test_a_link_that_cannot_be_placed_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to("before")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        place_link(tmp_path / "link", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
    assert str((tmp_path / "link").readlink()) == "before"


def test_links_of_the_future_are_from_now(tmp_path):
    """As after a clock was set back; what the link leads to keeps its time."""
    target = tmp_path / "target"
    target.write_text("x")
    links = [tmp_path / "past", tmp_path / "future"]
    for link, seconds in zip(links, (-3600, 3600), strict=True):
        link.symlink_to(target)
        os.utime(link, (time.time() + seconds,) * 2, follow_symlinks=False)
    os.utime(target, (time.time() + 3600,) * 2)
    before = links[0].lstat().st_mtime
    leave_the_future([*map(str, links), str(tmp_path / "missing")])
    assert links[0].lstat().st_mtime == before
    assert abs(links[1].lstat().st_mtime - time.time()) < 60
    assert target.stat().st_mtime > time.time() + 3000
