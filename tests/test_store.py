"""What one may rely on of the store: whole objects or none, first writer wins, damage is seen."""

import threading

import pytest

from rdpipe.errors import RdpipeError
from rdpipe.files import read_json
from rdpipe.store import Store, publish

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


def damage(path):
    path.chmod(0o644)
    path.write_text("hullo")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: damage(folder / "data.txt"),
        lambda folder: damage(folder / "record.json"),
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


def test_links_are_relative_and_replace_what_was_there(store, tmp_path):
    folder = store.add(KEY, writes("hello"), record)
    link = tmp_path / "results" / "split" / "data.txt"
    for _ in range(2):
        publish(folder, {"data.txt": link})
        assert link.read_text() == "hello"
        assert not link.readlink().is_absolute()
    tmp_path.rename(tmp_path.with_name("moved"))
    assert (tmp_path.with_name("moved") / "results/split/data.txt").read_text() == "hello"


def test_content_of_an_input_comes_from_its_record_or_from_the_file(store, tmp_path):
    folder = store.add(KEY, writes("hello"), record)
    publish(folder, {"data.txt": tmp_path / "link.txt"})
    (tmp_path / "copy.txt").write_text("hello")
    assert store.content(tmp_path / "link.txt") == store.content(tmp_path / "copy.txt")


def test_a_damaged_input_stops_the_job_with_a_sentence_and_is_made_anew(store, tmp_path):
    folder = store.add(KEY, writes("hello"), record)
    publish(folder, {"data.txt": tmp_path / "link.txt"})
    damage(folder / "data.txt")
    with pytest.raises(RdpipeError, match=r"link\.txt was damaged .* call snakemake again"):
        store.content(tmp_path / "link.txt")
    assert not (tmp_path / "link.txt").exists()
    assert store.find(KEY) is None
