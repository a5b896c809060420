"""Adoption: results of old code become those of edited code, after samples were found equal.

A record says everything that an object was made from. So the store key under other code follows
from the record, and the object under the old key is the one to compare a recomputed one with.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import Any

from rdpipe.store.digests import file_sha256, identity
from rdpipe.store.objects import Damaged, Store, record_of

Record = dict[str, Any]


def records(store: Store) -> Iterator[Record]:
    """The records of all objects; damaged ones are left out."""
    for folder in sorted(store.root.glob("objects/??/*")):
        with suppress(Damaged, OSError):
            record = record_of(folder, folder.name)
            if {"stage", "settings", "code", "inputs"} <= record.keys():
                yield record


def task(record: Mapping[str, Any]) -> str:
    """A digest of all that an object was made from, but the code."""
    return identity(record["stage"], record["settings"], "", record["inputs"])


def by_task(found: list[Record]) -> dict[str, list[Record]]:
    """Records by what was computed, those of the latest computation first."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(found, key=lambda record: str(record.get("start")), reverse=True):
        groups[task(record)].append(record)
    return groups


def difference(old: Path, new: Path, tolerance: float) -> str:
    """The first file of two objects that differs; the empty string if none does.

    Parameters
    ----------
    old, new
        Folders of the objects.
    tolerance
        Numbers in arrays and tables may differ by this share of their size; and all numbers by
        this share of one. If it is 0, all bytes must be equal.
    """
    names = [{path.name for path in folder.iterdir()} - {"record.json"} for folder in (old, new)]
    for name in sorted(names[0] ^ names[1]):
        return f"only one of the two has {name}"
    for name in sorted(names[0]):
        if file_sha256(old / name) != file_sha256(new / name) and not (
            tolerance and _near(old / name, new / name, tolerance)
        ):
            return f"{name} differs"
    return ""


def adopt(store: Store, record: Record, code: str, how: Mapping[str, Any]) -> bool:
    """Add an object under the key that its record has with other code.

    Both objects share their bytes where the file system has hard links. The new record is the old
    one with the new code, and says in `adopted` what it was adopted from.

    Parameters
    ----------
    store
        The store.
    record
        The record of the object.
    code
        The fingerprint of the edited code.
    how
        How the samples were compared.

    Returns
    -------
    bool
        False if the old object is damaged or gone.
    """
    old = store.find(record["key"])
    if old is None:
        return False
    kept = {name: said for name, said in record.items() if name not in ("key", "files", "adopted")}
    adopted = {"key": record["key"], "code": record["code"], **how}
    adopted["when"] = datetime.now(UTC).isoformat(timespec="seconds")
    if "adopted" in record:
        adopted["before"] = record["adopted"]
    key = identity(record["stage"], record["settings"], code, record["inputs"])
    share = partial(_share, old, list(record["files"]))
    store.add(key, share, lambda: kept | {"code": code, "adopted": adopted})
    return True


def _share(old: Path, names: list[str], folder: Path) -> None:
    """Put the files of an object into a folder, as links to the same bytes if that is possible."""
    for name in names:
        try:
            if (old / name).stat().st_uid != os.geteuid():
                raise PermissionError  # nobody else may change the mode of the new name
            os.link(old / name, folder / name)
        except OSError:
            copyfile(old / name, folder / name)


def _near(old: Path, new: Path, tolerance: float) -> bool:
    """Whether two files hold the same arrays or columns, up to a relative difference of numbers."""
    import numpy as np

    one, other = _arrays(old), _arrays(new)
    return (
        bool(one)
        and one.keys() == other.keys()
        and all(
            one[name].shape == other[name].shape
            and one[name].dtype == other[name].dtype
            and (
                np.allclose(one[name], other[name], tolerance, tolerance, equal_nan=True)
                if one[name].dtype.kind in "fiub"
                else np.array_equal(one[name], other[name])
            )
            for name in one
        )
    )


def _arrays(path: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    from rdpipe.common.files import read_npz, read_parquet

    if path.suffix == ".npz":
        return read_npz(path)
    if path.suffix == ".safetensors":
        return dict(load_file(path))
    if path.suffix == ".parquet":
        return {str(name): column.to_numpy() for name, column in read_parquet(path).items()}
    return {}
