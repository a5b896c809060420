"""The digest of the user's own files: it follows content, and costs little when nothing changed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rdpipe.common import own_files
from rdpipe.common.own_files import content

HOUR_AGO = time.time() - 3600


def put(path: Path, data: bytes, seconds: float = HOUR_AGO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (seconds, seconds))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "sub/c.webp"):
        put(tmp_path / "pictures" / name, name.encode())
    return tmp_path / "pictures"


def digests_that_are_computed(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    calls: list[None] = []
    whole = own_files.hashlib.file_digest

    def counted(*args):
        calls.append(None)
        return whole(*args)

    monkeypatch.setattr(own_files.hashlib, "file_digest", counted)
    return calls


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: put(folder / "b.png", b"other"),
        lambda folder: (folder / "b.png").rename(folder / "d.png"),
        lambda folder: (folder / "sub/c.webp").rename(folder / "c.webp"),
        lambda folder: (folder / "b.png").unlink(),
        lambda folder: put(folder / "d.tiff", b"one more"),
    ],
)
def test_a_folder_counts_by_the_names_and_bytes_of_its_pictures(change, folder) -> None:
    before = content([folder])
    change(folder)
    assert content([folder]) != before


def test_other_files_times_and_places_do_not_count(folder, tmp_path) -> None:
    before = content([folder])
    put(folder / "notes.txt", b"not a picture")
    put(folder / "._b.png", b"what a system keeps beside a picture")
    put(folder / ".thumbnails" / "b.png", b"hidden")
    os.utime(folder / "b.png")
    assert content([folder.rename(tmp_path / "elsewhere")]) == before


def test_a_file_counts_by_its_bytes_and_its_place_among_the_paths(tmp_path) -> None:
    x, y = put(tmp_path / "x.npy", b"x"), put(tmp_path / "y.csv", b"y")
    assert content([x, y]) != content([y, x])
    assert content([x]) != content([x, y])
    assert content([x]) == content([x.rename(tmp_path / "z.npy")])


def test_a_missing_path_has_no_content(folder, tmp_path) -> None:
    assert content([folder, tmp_path / "factors.csv"], tmp_path / "cache.json") is None


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files may be remembered as soon as they are written."""
    monkeypatch.setattr(own_files, "RACY", -1)


def test_swapped_and_overwritten_files_of_one_size_and_time_are_read_again(
    folder, tmp_path, settled
) -> None:
    cache = tmp_path / "cache.json"
    put(folder / "c.png", b"c.png")  # of the size of b.png
    first = content([folder], cache)
    for old, new in (("b.png", "x"), ("c.png", "b.png"), ("x", "c.png")):
        (folder / old).rename(folder / new)
    swapped = content([folder], cache)
    assert swapped == content([folder]) != first
    put(folder / "b.png", b"B.png")  # what `cp -p` does
    assert content([folder], cache) == content([folder]) != swapped


def test_an_unchanged_folder_is_not_read_again(folder, tmp_path, monkeypatch, settled) -> None:
    calls = digests_that_are_computed(monkeypatch)
    cache = tmp_path / "new" / "cache.json"
    first = content([folder], cache)
    assert len(calls) == 3
    assert content([folder], cache) == first
    assert len(calls) == 3
    put(folder / "b.png", b"B.png", HOUR_AGO + 1)  # of the same size
    assert content([folder], cache) == content([folder]) != first
    assert len(calls) == 3 + 1 + 3
    assert [path.name for path in cache.parent.iterdir()] == ["cache.json"]


@pytest.mark.parametrize("age", [0, 3600])  # `cp -p` keeps the time of an old file
def test_a_file_written_just_now_is_read_again(age, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(own_files, "RACY", 600e9)  # "just now", on a machine however busy
    calls = digests_that_are_computed(monkeypatch)
    cache, file = tmp_path / "cache.json", tmp_path / "x.npy"
    seconds = time.time() - age
    put(file, b"old", seconds)
    before = content([file], cache)
    assert content([file], cache) == before
    assert len(calls) == 2  # a write so soon might show in no time of the file
    put(file, b"new", seconds)
    assert content([file], cache) != before


def test_what_another_call_has_remembered_meanwhile_is_kept(
    folder, tmp_path, monkeypatch, settled
) -> None:
    cache, whole = tmp_path / "cache.json", own_files.hashlib.file_digest

    def slow(*args):
        cache.write_text('{"another": [1, 2, "3"]}')
        return whole(*args)

    monkeypatch.setattr(own_files.hashlib, "file_digest", slow)
    content([folder], cache)
    assert len(json.loads(cache.read_text())) == 3 + 1


@pytest.mark.parametrize("broken", ["", "{", "[]", "null", '{"x": 1}'])
def test_a_broken_cache_is_made_anew(broken, folder, tmp_path, settled) -> None:
    cache = tmp_path / "cache.json"
    cache.write_text(broken)
    assert content([folder], cache) == content([folder])
    assert len(json.loads(cache.read_text())) >= 3


def test_a_cache_that_cannot_be_written_is_done_without(folder, tmp_path) -> None:
    put(tmp_path / "file", b"no folder")
    assert content([folder], tmp_path / "file" / "cache.json") == content([folder])


def test_files_that_cannot_be_read_have_no_content(folder) -> None:
    (folder / "broken.png").symlink_to(folder / "nowhere.png")
    assert content([folder]) is None


def test_a_link_that_leads_round_shows_no_picture_twice(folder) -> None:
    before = content([folder])
    (folder / "round").symlink_to(folder)
    assert content([folder]) == before


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, rdpipe.common.own_files; print({'numpy', 'pandas', 'PIL'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "set()"
