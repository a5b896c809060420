"""The user's own images before anything runs: how many there are, and what is missing."""

import copy
import re

import numpy as np
import pytest
import yaml
from PIL import Image

from rdpipe.common.errors import RdpipeError
from rdpipe.study import own_files
from rdpipe.study.own_files import contents, count, faults, refuse_splits
from rdpipe.study.reading import read_study
from tests import ROOT

PAPER = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


def study(images, n_train=200, factors=None):
    config = copy.deepcopy(PAPER)
    config["datasets"]["own"] = {"kind": "images", "images": str(images)}
    if factors:
        config["datasets"]["own"]["factors"] = str(factors)
    config["splits"]["own"] = {"dataset": "own", "kind": "cv", "n_train": n_train}
    return read_study(config)


@pytest.fixture
def pictures(tmp_path):
    for name in ("a.png", "b.PNG", "inner/c.png", ".hidden.png", "notes.txt"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no picture")
        else:
            Image.new("L", (4, 4)).save(path)
    return tmp_path / "pictures"


def test_pictures_of_a_folder_are_counted(pictures):
    assert count(pictures) == 3


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_an_array_is_counted_by_its_header(tmp_path, version):
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.zeros((70, 4, 4), np.uint8), version)
    path.write_bytes(path.read_bytes()[:200])  # the header, and few of the values
    assert count(path) == 70


def test_an_archive_is_counted_by_its_images_or_its_only_array(tmp_path):
    np.savez(tmp_path / "one.npz", x=np.zeros((5, 4, 4), np.uint8))
    np.savez_compressed(tmp_path / "two.npz", images=np.zeros((7, 4, 4)), labels=np.zeros(3))
    np.savez(tmp_path / "unclear.npz", a=np.zeros(2), b=np.zeros(3))
    assert [count(tmp_path / f"{name}.npz") for name in ("one", "two", "unclear")] == [5, 7, None]


@pytest.mark.parametrize("data", [b"", b"PK", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x09\x00\x00\x00"])
def test_a_file_without_a_readable_header_has_no_number(tmp_path, data):
    (tmp_path / "x.npy").write_bytes(data)
    assert count(tmp_path / "x.npy") is None
    assert list(faults(study(tmp_path / "x.npy"))) == []


def test_missing_files_are_told_with_their_key(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((300, 4, 4), np.uint8))
    assert list(faults(study(tmp_path / "x.npy"))) == []
    (fault,) = faults(study(tmp_path / "y.npy"))
    assert fault.startswith(f"datasets.own.images: {tmp_path}/y.npy does not exist; ")
    (fault,) = faults(study(tmp_path / "x.npy", factors=tmp_path / "f.csv"))
    assert fault.startswith(f"datasets.own.factors: {tmp_path}/f.csv does not exist; ")


def test_a_split_that_leaves_no_test_part_is_told(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((200, 4, 4), np.uint8))
    assert list(faults(study(tmp_path / "x.npy", n_train=199))) == []
    (fault,) = faults(study(tmp_path / "x.npy", n_train=200))
    assert fault.startswith("splits.own.n_train: 200 training images leave no test part of dataset")
    with pytest.raises(RdpipeError, match=f"^{re.escape(fault)}$"):
        refuse_splits(study(tmp_path / "x.npy", n_train=200))
    refuse_splits(study(tmp_path / "x.npy", n_train=199))
    refuse_splits(study(tmp_path / "missing.npy", n_train=199))


def test_a_folder_without_pictures_is_told(tmp_path):
    (fault,) = faults(study(tmp_path))
    assert fault.startswith(f"datasets.own.images: {tmp_path} holds no image")


def test_content_is_known_for_own_files_alone_and_remembered(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((300, 4, 4), np.uint8))
    monkeypatch.setattr("rdpipe.common.own_files.RACY", 0)
    known = contents(study(tmp_path / "x.npy"), tmp_path / "sources.json")
    assert list(known) == ["own"]
    assert (tmp_path / "sources.json").is_file()
    assert contents(study(tmp_path / "y.npy"), tmp_path / "sources.json") == {"own": None}
    assert own_files.contents(read_study(PAPER), tmp_path / "none.json") == {}
