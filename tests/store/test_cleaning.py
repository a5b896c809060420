"""What a store holds, which objects are needed, and how parts of it are removed."""

import os
import shutil
import time
from pathlib import Path

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json, write_json
from rdpipe.store.cleaning import contents, last_change, remove, size
from rdpipe.store.leases import Cleaner, announced, leased
from rdpipe.store.links import publish
from rdpipe.store.objects import Store
from rdpipe.store.roots import forget, links, register

KEYS = ["ab" + "0" * 62, "ab" + "1" * 62, "cd" + "0" * 62]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with three objects, in a project."""
    monkeypatch.chdir(tmp_path)
    store = Store(Path("results/store"))
    for key in KEYS:
        store.add(key, lambda folder: (folder / "data.txt").write_text("hello"), dict)
    return store


def held(store, results=Path("results")):
    """What a store holds, by kind."""
    return contents(store, results, Cleaner(store)).held


def test_an_object_is_needed_if_a_link_in_the_results_leads_to_it(store):
    publish(store.path(KEYS[0]), {"data.txt": Path("results/splits/half/data.txt")})
    Path("results/splits/plain").symlink_to("half")  # of no object
    found = held(store, Path("results"))
    assert found["needed"] == [store.path(KEYS[0])]
    assert found["other"] == [store.path(key) for key in KEYS[1:]]


def test_an_object_is_needed_wherever_the_store_lies(store, tmp_path):
    elsewhere = Store(store.root.rename(tmp_path / "elsewhere"))
    publish(elsewhere.path(KEYS[2]), {"data.txt": Path("results/a/data.txt")})
    found = held(elsewhere, Path("results"))
    assert found["needed"] == [elsewhere.path(KEYS[2])]


def test_what_jobs_left_is_told_by_its_folder(store):
    (store.folder("state") / "x.safetensors").write_text("half-way")
    (store.folder("state") / ".x.safetensors.01234567").write_text("half")
    store.folder("damaged", "abc")
    store.folder("tmp", "killed")
    found = held(store, Path("results"))
    assert [path.name for path in found["state"]] == [".x.safetensors.01234567", "x.safetensors"]
    assert [path.name for path in found["damaged"]] == ["abc"]
    assert [path.name for path in found["tmp"]] == ["killed"]


def test_an_empty_store_holds_nothing(tmp_path):
    found = held(Store(tmp_path / "store"), tmp_path / "results")
    assert not any(found.values())


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
        assert remove(store, path, Cleaner(store))
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
        remove(store, store.path(KEYS[0]), Cleaner(store))
    assert store.find(KEYS[0]) is None
    assert not (store.root / "damaged").exists()


def test_nothing_is_removed_from_a_store_that_cannot_be_written(store, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RdpipeError, match="the store cannot be written"):
        remove(store, store.path(KEYS[0]), Cleaner(store))
    assert store.find(KEYS[0])


# Other checkouts, and running jobs.


def checkout(folder, store, key):
    """Results of another checkout, which need one object."""
    register(store, folder)
    publish(store.path(key), {"data.txt": folder / "a/data.txt"})


@pytest.fixture
def shared(store, tmp_path):
    """The same store outside of the project, and with an absolute path."""
    return Store(store.root.rename(tmp_path / "shared"))


def test_what_another_checkout_needs_is_needed(shared, tmp_path):
    checkout(tmp_path / "other/results", shared, KEYS[0])
    found = contents(shared, Path("results"), Cleaner(shared))
    assert found.held["needed"] == [shared.path(KEYS[0])]
    assert not found.unknown


def test_a_checkout_is_registered_once(shared, tmp_path):
    for _ in range(3):
        register(shared, tmp_path / "other/results")
    assert len(list((shared.root / "roots").iterdir())) == 1


def test_results_that_move_with_their_store_stay_registered(store, tmp_path, monkeypatch):
    register(store, Path("results"))
    publish(store.path(KEYS[0]), {"data.txt": Path("results/a/data.txt")})
    (tmp_path / "moved").mkdir()
    (tmp_path / "results").rename(tmp_path / "moved/results")
    monkeypatch.chdir(tmp_path / "moved")
    register(store, Path("results"))
    assert len(list((store.root / "roots").iterdir())) == 1
    found = contents(store, Path("results"), Cleaner(store))
    assert not found.unknown
    assert found.held["needed"] == [store.path(KEYS[0])]


def test_copied_results_are_registered_beside_the_original(shared, tmp_path):
    checkout(tmp_path / "one/results", shared, KEYS[0])
    shutil.copytree(tmp_path / "one", tmp_path / "two", symlinks=True)
    (tmp_path / "two/results/a/data.txt").unlink()
    checkout(tmp_path / "two/results", shared, KEYS[1])
    assert len(list((shared.root / "roots").iterdir())) == 2
    assert len(held(shared)["needed"]) == 2


@pytest.mark.parametrize("there", ["nothing", "other results"])
def test_results_that_are_not_to_be_found_are_named(shared, tmp_path, there):
    """They may be on a disk that is not mounted here, or on a disk of another host."""
    results = tmp_path / "other/results"
    checkout(results, shared, KEYS[0])
    results.rename(tmp_path / "unmounted")
    if there == "other results":
        results.mkdir()
    (sentence,) = contents(shared, Path("results"), Cleaner(shared)).unknown
    assert sentence.startswith(f"{results} (registered by ")
    forget(shared, results)
    assert not contents(shared, Path("results"), Cleaner(shared)).unknown


def test_results_that_are_there_are_not_forgotten(shared, tmp_path):
    checkout(tmp_path / "other/results", shared, KEYS[0])
    with pytest.raises(RdpipeError, match="is still there"):
        forget(shared, tmp_path / "other/results")
    with pytest.raises(RdpipeError, match="knows no results in"):
        forget(shared, tmp_path / "never")


def test_results_of_which_a_part_cannot_be_read_are_named(shared, tmp_path, monkeypatch):
    checkout(tmp_path / "other/results", shared, KEYS[0])
    scandir = os.scandir

    def refused(path):
        if str(path).endswith("other/results/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    (sentence,) = contents(shared, Path("results"), Cleaner(shared)).unknown
    assert "Permission denied" in sentence


def test_a_registration_that_cannot_be_read_stops_all_cleaning(shared):
    (shared.folder("roots") / "0.json").write_text("half")
    with pytest.raises(RdpipeError, match="nobody knows which objects are needed"):
        held(shared)


def test_links_behind_linked_folders_count(store, tmp_path):
    """As of results of which a part lies on another disk."""
    (tmp_path / "disk").mkdir()
    Path("results/splits").symlink_to(tmp_path / "disk")
    publish(store.path(KEYS[0]), {"data.txt": Path("results/splits/half/data.txt")})
    Path("results/splits/again").symlink_to(tmp_path / "disk")  # a circle
    assert held(store)["needed"] == [store.path(KEYS[0])]
    assert len(list(links(Path("results"), store))) == 1


def test_a_result_with_a_plain_name_is_found_under_its_address(store):
    publish(store.path(KEYS[0]), {"data.txt": Path("results/tables/fig3-0123456789/data.txt")})
    for place in ("results/a/tables/fig3", "results/z/tables/fig3"):
        Path(place).parent.mkdir(parents=True)
        Path(place).symlink_to("../../tables/fig3-0123456789")
    found = [link.as_posix() for link, _ in links(Path("results"), store)]
    assert found == ["results/tables/fig3-0123456789/data.txt"]


def test_a_store_that_cannot_be_written_keeps_no_roots_and_no_leases(store, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    register(store, Path("results"))
    with leased(store, [KEYS[0]]):
        assert store.find(KEYS[0])
    assert not [*store.root.glob("roots/*"), *store.root.glob("leases/*")]


def test_what_a_running_job_uses_is_in_use(store):
    state = store.folder("state") / f"{'f' * 64}.safetensors"
    half = store.folder("tmp", f"{KEYS[1][:12]}-x")
    state.touch()
    with leased(store, [KEYS[0], KEYS[1]], state):
        store.path(KEYS[1]).rename(store.root / "elsewhere")
        found = held(store)
        assert found["in use"] == [store.path(KEYS[0]), state, half]
        assert not remove(store, state, Cleaner(store))
    assert not held(store)["in use"]


def test_a_lease_that_ends_while_a_cleaner_works_counts_until_the_cleaner_ends(store):
    """The cleaner may have read the links before the job set its own."""
    with announced(store) as cleaner:
        with leased(store, [KEYS[0]]):
            pass
        assert not remove(store, store.path(KEYS[0]), cleaner)
    assert not list((store.root / "leases").iterdir())
    with announced(store) as cleaner:
        assert remove(store, store.path(KEYS[0]), cleaner)


def test_a_lease_of_a_killed_job_ends_by_itself(store):
    lease = leased(store, [KEYS[0]])
    lease.__enter__()
    (file,) = (store.root / "leases").iterdir()
    assert held(store)["in use"]
    os.utime(file, (0, time.time() - 61 * 86400))
    assert not held(store)["in use"]


def test_two_cleaners_do_not_work_at_once_but_a_killed_one_stops_nobody(store):
    with announced(store):
        told = pytest.raises(RdpipeError, match="another `rdpipe clean` is at work")
        with told, announced(store):
            pass
        (file,) = (store.root / "leases").iterdir()
        file.chmod(0o644)
        write_json(file, read_json(file) | {"process": 2**22 + 1})
        with announced(store):
            pass


def test_a_lease_that_cannot_be_read_stops_all_cleaning(store):
    (store.folder("leases") / "0.json").write_text("half")
    with pytest.raises(RdpipeError, match="nobody knows which objects jobs use"):
        held(store)
