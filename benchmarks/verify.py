"""`rdpipe verify` on stores of small objects, and what flushes cost.

    python benchmarks/verify.py --objects 1000 10000 --json verify.json

The second table adds small objects and finds them, once with flushes of files and folders, and once
without.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from _common import Row, parser, save, show
from store import key_of, replicate

from rdpipe.common.files import write_json
from rdpipe.store.objects import Store
from rdpipe.store.verifying import WHOLE, verify

ADDED = 200


def small(folder: Path) -> None:
    """One file of a kilobyte."""
    write_json(folder / "run.json", "x" * 1000)


def whole_stores(counts: list[int]) -> Iterator[Row]:
    """Seconds to read all objects of good stores, which are in the memory of the system."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        template = store.add(key_of(0), small, dict)
        present = 1
        for count in sorted(counts):
            for i in range(present, count):
                for path in replicate(store, template, key_of(i)).iterdir():
                    path.chmod(0o444)
            present = count
            start = time.perf_counter()
            steps = list(verify(store, WHOLE, Path(folder, "note")))
            seconds = time.perf_counter() - start
            assert len(steps) == count + 1 and not any(findings for _, findings in steps)
            yield {"what": "verify", "objects": count, "seconds": seconds}


def flushes() -> Iterator[Row]:
    """Median milliseconds to add an object and to find it."""
    for flushed in (True, False):
        with (
            tempfile.TemporaryDirectory() as folder,
            patch("os.fsync", os.fsync if flushed else lambda _: None),
        ):
            store = Store(Path(folder))
            times: dict[str, list[float]] = {"add_ms": [], "find_ms": []}
            for i in range(ADDED):
                start = time.perf_counter()
                store.add(key_of(i), small, dict)
                added = time.perf_counter()
                store.find(key_of(i))
                times["add_ms"].append(1e3 * (added - start))
                times["find_ms"].append(1e3 * (time.perf_counter() - added))
            medians = {name: statistics.median(values) for name, values in times.items()}
            yield {"what": "flushes", "flushed": "yes" if flushed else "no", **medians}


def main() -> None:
    """Print two tables; write them to --json."""
    options = parser(__doc__)
    options.add_argument("--objects", type=int, nargs="+", default=[1000, 10_000])
    given = options.parse_args()
    columns = {"objects": "{:,}", "seconds": "{:.1f}"}
    rows = show("Verifying a good store", whole_stores(given.objects), columns)
    columns = {"flushed": "{}", "add_ms": "{:.1f}", "find_ms": "{:.2f}"}
    rows += show("Adding and finding small objects", flushes(), columns)
    save(given.json, rows)


if __name__ == "__main__":
    main()
