"""Twelve kinds of damage to objects of each stage: all are found, and mended to the same bytes."""

import errno
import itertools
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import write_csv, write_json, write_npz, write_parquet
from rdpipe.store import objects
from rdpipe.store.digests import digest
from rdpipe.store.links import publish
from rdpipe.store.objects import Store, content_of
from rdpipe.store.verifying import (
    WHOLE,
    Question,
    check_links,
    examine,
    may_be_repaired,
    question,
    repair,
    unfinished,
    verify,
)

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 255, (4, 8, 8, 1), np.uint8)
TABLE = pd.DataFrame({"beta": [0.1, 1.0], "rate": [1.5, 2.5], "split": ["a", "b"]})


def a_dataset(folder):
    write_npz(folder / "images.npz", images=IMAGES)
    write_parquet(folder / "factors.parquet", TABLE)
    write_json(folder / "manifest.json", {"n": 4})


def a_split(folder):
    write_npz(folder / "train.npz", images=IMAGES[:2])
    write_npz(folder / "test.npz", images=IMAGES[2:])
    write_parquet(folder / "assignment.parquet", TABLE)
    write_json(folder / "manifest.json", {"n_train": 2})


def neighbours(folder):
    write_parquet(folder / "distances.parquet", TABLE)


def a_training(folder):
    save_file({"weight": np.arange(60.0)}, folder / "model.safetensors")
    write_parquet(folder / "history.parquet", TABLE)
    write_json(folder / "run.json", {"status": "finished"})


def an_evaluation(folder):
    write_parquet(folder / "metrics.parquet", TABLE)
    write_npz(folder / "reconstructions.npz", images=IMAGES)


def a_table(folder):
    for name in ("rd", "rd_summary"):
        write_parquet(folder / f"{name}.parquet", TABLE)
        write_csv(folder / f"{name}.csv", TABLE)


def a_figure(folder):
    figure = plt.figure(figsize=(1, 1))
    figure.savefig(folder / "fig3.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / "fig3.png")
    plt.close(figure)
    write_csv(folder / "fig3.csv", TABLE)


STAGES = {
    "datasets": a_dataset,
    "splits": a_split,
    "neighbours": neighbours,
    "training": a_training,
    "evaluation": an_evaluation,
    "tables": a_table,
    "figures": a_figure,
}


def key(stage, number=0):
    return digest([stage, number])


NONE = SimpleNamespace(params={})


class Study:
    """A store with two objects of each stage, and links to them."""

    def __init__(self, folder: Path, stages=()) -> None:
        self.store, self.results = Store(folder / "results/store"), folder / "results"
        for stage in stages:
            self.compute(stage)

    def compute(self, stage):
        """What jobs do: take an object from the store, or compute it."""
        for number in range(2):
            name = key(stage, number)
            found = self.store.find(name) or self.store.add(
                name, STAGES[stage], lambda: {"stage": stage}
            )
            links = self.results / stage / str(number)
            files = [path.name for path in found.iterdir() if path.name != "record.json"]
            assert publish(found, {file: links / file for file in files})

    def findings(self):
        """All that `rdpipe verify` finds."""
        note = self.results / "verify.json"
        read = [one for _, findings in verify(self.store, WHOLE, note) for one in findings]
        return [*check_links(self.results, self.store), *unfinished(self.store), *read]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def change(path, to):
    """Other bytes, but the same mode and times."""
    stat = path.stat()
    path.chmod(0o644)
    path.write_bytes(to(path.read_bytes()))
    path.chmod(stat.st_mode)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def swap(one, other):
    one.rename(one.with_name("x"))
    other.rename(one)
    one.with_name("x").rename(other)


# Each kind of damage is done to an object, its first file in the alphabet, and another object.


def emptied(_folder, file, _other):
    change(file, lambda _: b"")


def one_byte_less(_folder, file, _other):
    change(file, lambda data: data[:-1])


def one_bit_flipped(_folder, file, _other):
    middle = file.stat().st_size // 2
    change(file, lambda data: data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def two_files_swapped(folder, file, _other):
    swap(file, sorted(folder.iterdir())[-1])


def record_of_another(folder, _file, other):
    (folder / "record.json").unlink()
    shutil.copy2(other / "record.json", folder)


def record_missing(folder, _file, _other):
    (folder / "record.json").unlink()


def file_missing(_folder, file, _other):
    file.unlink()


def extra_file(folder, _file, _other):
    (folder / "zzz.tmp").write_bytes(b"half")


def a_link(folder, _file, _other):
    folder.rename(folder.parents[3] / "elsewhere")
    folder.symlink_to(folder.parents[3] / "elsewhere")


def other_mode(_folder, file, _other):
    file.chmod(0o600)


DAMAGE = [
    emptied,
    one_byte_less,
    one_bit_flipped,
    two_files_swapped,
    record_of_another,
    record_missing,
    file_missing,
    extra_file,
    a_link,
    other_mode,
]


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("templates")
    for stages in ([stage] for stage in STAGES):
        Study(folder / stages[0], stages)
    Study(folder / "all", STAGES)
    return folder


@pytest.fixture
def study(request, templates, tmp_path):
    """A study of the stage of a test, or of all stages."""
    template = templates / getattr(request.node, "callspec", NONE).params.get("stage", "all")
    shutil.copytree(template, tmp_path / "study", symlinks=True)
    study = Study(tmp_path / "study")
    for link in study.results.glob("*/?/*"):
        target = str(link.readlink()).replace(str(template), str(tmp_path / "study"))
        link.unlink()
        link.symlink_to(target)
    return study


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_mended_to_the_same_bytes(study, stage, damage):
    folder = study.store.path(key(stage))
    before = content(folder)
    file = min(path for path in folder.iterdir() if path.name != "record.json")
    damage(folder, file, study.store.path(key(stage, 1)))
    found = study.findings()
    assert {(one.kind, one.path) for one in found if one.kind != "missing"} == {("damaged", folder)}
    for one in found:
        assert one.kind == "damaged" or (damage is file_missing and one.path.name == file.name)
    repair(study.store, folder)
    for link in [one.path for one in study.findings() if one.kind == "missing"]:
        link.unlink()
    study.compute(stage)
    assert not study.findings()
    after = content(folder)
    assert {**after, "record.json": b""} == {**before, "record.json": b""}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_what_cannot_be_read_is_told_apart_and_left_alone(study, stage, code, monkeypatch):
    folder = study.store.path(key(stage))
    whole = objects.file_sha256

    def refused(path):
        if path.parent == folder:
            raise OSError(code, os.strerror(code), str(path))
        return whole(path)

    monkeypatch.setattr(objects, "file_sha256", refused)
    assert [(one.kind, one.path) for one in study.findings()] == [("unreadable", folder)]
    assert repair(study.store, folder).startswith("stays: ")
    monkeypatch.undo()
    assert not study.findings()


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_half_written_is_named_and_no_fault(study, stage):
    half = study.store.folder("tmp", f"{key(stage)[:12]}-abc")
    STAGES[stage](half)
    link = study.results / stage / "0/.x.json.0123abcd"
    link.symlink_to(study.store.path(key(stage)) / "x.json")
    assert {(one.kind, one.path) for one in study.findings()} == {
        ("unfinished", half),
        ("unfinished", link),
    }


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("damage", [emptied, one_byte_less, one_bit_flipped, record_missing])
def test_a_job_does_not_believe_a_damaged_input(study, stage, damage):
    folder = study.store.path(key(stage))
    file = min(path for path in folder.iterdir() if path.name != "record.json")
    damage(folder, file, None)
    with pytest.raises(RdpipeError, match="was damaged after it had been stored"):
        content_of(study.results / stage / "0" / file.name)


# The parts of a store, and calls that are interrupted.


def read(study, asked, note):
    """How many objects a call reads."""
    return next(verify(study.store, asked, note))[0]


def test_parts_share_the_store_and_stay_the_same(study, tmp_path):
    parts = [Question(part, 5) for part in range(1, 6)]
    numbers = [read(study, part, tmp_path / "note") for part in parts]
    assert sum(numbers) == 2 * len(STAGES)
    assert numbers == [read(study, part, tmp_path / "note") for part in parts]


def test_calls_of_one_percentage_read_everything_in_turn(study, tmp_path):
    note, damaged = tmp_path / "note", [study.store.path(key(stage)) for stage in STAGES]
    for folder in damaged:
        (folder / "record.json").unlink()
    found = [
        [
            one.path
            for _, findings in verify(study.store, Question(percent=25), note)
            for one in findings
        ]
        for _ in range(8)
    ]
    assert sorted(itertools.chain(*found[:4])) == sorted(damaged)
    assert found[4:] == found[:4]


def test_the_newest_are_those_that_came_last(study, tmp_path):
    assert read(study, Question(newest=3600), tmp_path / "note") == 2 * len(STAGES)
    assert read(study, Question(newest=0), tmp_path / "note") == 0


def test_an_interrupted_call_goes_on_and_tells_what_it_found_before(study, tmp_path):
    note = tmp_path / "note"
    keys = sorted(folder.name for folder in study.store.root.glob("objects/??/*"))
    for name in (keys[1], keys[2]):
        (study.store.path(name) / "record.json").unlink()
    steps = verify(study.store, WHOLE, note)
    for left, _ in steps:
        if left == len(keys) - 4:
            break
    steps.close()
    repair(study.store, study.store.path(keys[1]))
    again = list(verify(study.store, WHOLE, note))
    assert again[0][0] == len(keys) - 4 + 1
    assert [one.path.name for _, findings in again for one in findings] == [keys[2]]
    assert not note.exists()
    assert read(study, WHOLE, note) == len(keys) - 1


def test_another_question_does_not_go_on(study, tmp_path):
    note = tmp_path / "note"
    steps = verify(study.store, WHOLE, note)
    for left, _ in steps:
        if left == 3:
            break
    steps.close()
    assert note.exists()
    assert read(study, Question(newest=3600), note) == 2 * len(STAGES)
    note.write_text("[1")
    assert read(study, WHOLE, note) == 2 * len(STAGES)


@pytest.mark.parametrize(
    ("part", "percent", "newest", "sentence"),
    [
        ("0/3", None, None, "--part 0/3 is no part"),
        ("4/3", None, None, "--part 4/3 is no part"),
        ("x", None, None, "--part x is no part"),
        ("1/1", 0, None, "--percent 0 is not above 0"),
        ("1/1", 101, None, "--percent 101 is not"),
        ("1/2", 5, None, "exclude each other"),
        ("1/1", None, "yesterday", "--newest yesterday is no time"),
    ],
)
def test_a_question_that_makes_no_sense_is_told(part, percent, newest, sentence):
    with pytest.raises(RdpipeError, match=sentence):
        question(part, percent, newest)


def test_questions_are_read():
    assert question("3/10", None, "2d") == Question(3, 10, None, 172800)


def test_what_is_no_object_is_named(study):
    stray = study.store.root / "objects/ab/notes"
    stray.mkdir(parents=True)
    (study.store.root / "objects/file").write_text("")
    assert {(one.kind, one.path.name) for one in study.findings()} == {
        ("damaged", "notes"),
        ("damaged", "file"),
    }
    assert repair(study.store, stray) == "set aside"


def test_a_folder_of_objects_that_cannot_be_listed_is_told_and_not_touched(study, monkeypatch):
    shard = study.store.path(key("training")).parent
    listdir = os.listdir

    def refused(path):
        if Path(path) == shard:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refused)
    (finding,) = study.findings()
    assert (finding.kind, finding.path) == ("unreadable", shard)
    assert not may_be_repaired(finding)


def test_an_object_that_is_moved_away_meanwhile_is_no_finding(study):
    assert examine(study.store.path("0" * 64)) == []
