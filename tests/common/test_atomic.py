"""Writing under another name: a reader sees the old file or the new one, and no part of it."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rdpipe.common.atomic import replacing


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text("old")
    with replacing(path) as new:
        new.write_text("half")
        assert path.read_text() == "old"
        new.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, fault) -> None:
    path = tmp_path / "table.json"
    path.write_text("old")
    with pytest.raises(fault), replacing(path) as new:
        new.write_text("half")
        raise fault
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_before_the_first_byte_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), replacing(tmp_path / "table.json"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # renamed last
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_takes_a_path_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    with replacing(path) as new:
        save_file({"x": np.arange(3)}, new, metadata={"step": "3"})
    assert load_file(path)["x"].tolist() == [0, 1, 2]


def test_a_link_is_replaced_and_not_the_file_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("stays")
    link = tmp_path / "link"
    link.symlink_to("target")
    with replacing(link) as new:
        new.symlink_to("elsewhere")
    assert str(link.readlink()) == "elsewhere"
    assert (tmp_path / "target").read_text() == "stays"
