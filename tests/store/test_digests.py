"""Digests count what is said, not how it is written down."""

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from rdpipe.common.files import write_json, write_npz, write_parquet
from rdpipe.store.digests import content_digest, digest


def test_digest_ignores_the_order_of_keys_but_not_of_lists():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest([1, 2]) != digest([2, 1])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_digest_refuses_what_has_no_canonical_text(value):
    with pytest.raises((TypeError, ValueError)):
        digest(value)


def test_arrays_count_by_name_type_shape_and_values_not_by_compression(tmp_path):
    array = np.arange(6, dtype=np.uint8)
    write_npz(tmp_path / "a.npz", x=array)
    np.savez(tmp_path / "plain.npz", x=array)
    same = content_digest(tmp_path / "a.npz")
    assert content_digest(tmp_path / "plain.npz") == same
    for other in ({"y": array}, {"x": array.astype(np.int16)}, {"x": array.reshape(2, 3)}):
        np.savez(tmp_path / "other.npz", **other)
        assert content_digest(tmp_path / "other.npz") != same


def test_tables_count_by_columns_not_by_parquet_settings(tmp_path):
    frame = pd.DataFrame({"beta": [0.1, np.nan], "part": ["train", "test"], "n": [1, 2]})
    write_parquet(tmp_path / "a.parquet", frame)
    frame.to_parquet(tmp_path / "b.parquet", index=False, compression="gzip", row_group_size=1)
    same = content_digest(tmp_path / "a.parquet")
    assert content_digest(tmp_path / "b.parquet") == same
    write_parquet(tmp_path / "b.parquet", frame.assign(n=[1, 3]))
    assert content_digest(tmp_path / "b.parquet") != same
    write_parquet(tmp_path / "b.parquet", frame.assign(part=["train", "unused"]))
    assert content_digest(tmp_path / "b.parquet") != same


def test_tensors_and_json(tmp_path):
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "a.safetensors")
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "b.safetensors", {"made": "later"})
    assert content_digest(tmp_path / "a.safetensors") == content_digest(tmp_path / "b.safetensors")
    write_json(tmp_path / "a.json", {"a": 1, "b": 2})
    (tmp_path / "b.json").write_text('{"b":2,"a":1}')
    assert content_digest(tmp_path / "a.json") == content_digest(tmp_path / "b.json")


def test_equal_arrays_are_equal_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_npz(tmp_path / name, x=np.arange(9), y=np.zeros((2, 2)))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
