"""Digests of settings and of content, which addresses in `results/` and store keys consist of."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def digest(value: Any) -> str:
    """Hex sha256 of a value made of dicts, lists, strings, numbers, booleans and None.

    Keys are sorted, so that the order of a config file does not matter.

    Raises
    ------
    TypeError, ValueError
        If the value holds anything else, or a number that is not finite.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def identity(stage: str, settings: Mapping[str, Any], code: str, inputs: Mapping[str, Any]) -> str:
    """The digest of a result: both path digests and store keys come from this function.

    Parameters
    ----------
    stage
        Name of the stage.
    settings
        All settings that may change the stage's result.
    code
        Code fingerprint of the stage's module (`rdpipe.store.fingerprint`).
    inputs
        Digests of the stage's inputs. Their path digests give the path digest, which is known when
        the workflow is read. Their content digests give the store key, which is known when the job
        runs.
    """
    return digest({"stage": stage, "settings": settings, "code": code, "inputs": inputs})


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(path: Path) -> str:
    """Hex sha256 of a file's content, independent of compression and of the format's version.

    Arrays (`.npz`, `.safetensors`) count by name, type, shape and values; tables (`.parquet`) by
    column name, type and values; JSON by its value. Any other file counts by its bytes.
    """
    readers = {".npz": _npz, ".safetensors": _safetensors, ".parquet": _parquet}
    if path.suffix == ".json":
        return digest(json.loads(path.read_text("utf-8")))
    if path.suffix not in readers:
        return file_sha256(path)
    total = hashlib.sha256()
    for head, values in readers[path.suffix](path):
        total.update(digest(head).encode())
        total.update(values)
    return total.hexdigest()


# Each reader yields (description, bytes) of one array or column at a time. It imports its library
# only when it is called: a store hit takes digests from records and calls no reader.


def _npz(path: Path) -> Iterator[tuple[list[Any], memoryview | bytes]]:
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        for name in sorted(archive.files):
            yield _array(name, archive[name])


def _safetensors(path: Path) -> Iterator[tuple[list[Any], memoryview | bytes]]:
    from safetensors.numpy import load_file

    for name, array in sorted(load_file(path).items()):
        yield _array(name, array)


def _parquet(path: Path) -> Iterator[tuple[list[Any], memoryview | bytes]]:
    import pyarrow.parquet as pq
    import pyarrow.types as types

    table = pq.read_table(path)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if types.is_floating(column.type) or types.is_integer(column.type):
            yield _array(name, column.to_numpy())
        else:
            yield [name, "values", len(column)], digest(column.to_pylist()).encode()


def _array(name: str, array: Any) -> tuple[list[Any], memoryview | bytes]:
    return [name, array.dtype.str, list(array.shape)], array.tobytes()
