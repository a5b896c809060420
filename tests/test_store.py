"""What one may rely on of the store: whole objects or none, first writer wins, damage is seen."""

import threading

import pytest

from rdpipe.errors import RdpipeError
from rdpipe.files import read_json
from rdpipe.store import Store, content_of, place_link, publish, set_plain_names

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
