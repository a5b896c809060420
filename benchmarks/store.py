"""The store: finding an object among many, a job that is a store hit, and the disk space of a run.

    python benchmarks/store.py --objects 1000 10000 100000 --json store.json

The objects are small, and their number varies. The jobs belong to a small study with the paper's
architectures. The study is trained once for a few iterations. Then its results are removed, so that
Snakemake starts every job again and every job finds its result in the store.
"""

import hashlib
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from _common import Row, parser, save, show, snakemake
from workflow import PACKING, paper

from rdpipe.common.files import read_json, write_json
from rdpipe.store.digests import digest
from rdpipe.store.objects import RECORD, Store
from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study

ARCHS = ("mlp-1", "mlp-3", "cnn-1", "cnn-3")
OBJECTS = {"training": "run.json", "evaluation": "metrics.parquet"}  # of a run, and one file
RUN = {"beta": 1, "seed": 0}
LOOKUPS = 1000
ROUNDS = 3
LOOKED_FOR = {"objects": "{:,}", "hit_us": "{:.0f}", "miss_us": "{:.1f}"}
IMPORT = re.compile(r"^import time:.*\| +([\w.]+)$", re.MULTILINE)


def replicate(store: Store, template: Path, key: str) -> Path:
    """One more object with the files of another."""
    folder = store.path(key)
    shutil.copytree(template, folder)
    body = read_json(template / RECORD) | {"key": key}
    del body["digest"]
    record = folder / RECORD
    record.chmod(0o644)
    write_json(record, body | {"digest": digest(body)})
    return folder


def key_of(i: int) -> str:
    """A key as evenly spread as real ones."""
    return hashlib.sha256(str(i).encode()).hexdigest()


def lookups(counts: list[int]) -> Iterator[Row]:
    """Median time of finding an object, and of finding none, among a growing number."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        template = store.add(
            key_of(0), lambda into: write_json(into / "run.json", "x" * 1000), dict
        )
        present = 1
        for count in sorted(counts):
            for i in range(present, count):
                replicate(store, template, key_of(i))
            present = count
            found = [key_of(i * count // LOOKUPS) for i in range(LOOKUPS)]
            assert all(store.find(key) for key in found)  # and so all are read from memory below
            missing = [key_of(count + i) for i in range(LOOKUPS)]
            times = {"hit_us": microseconds(store, found), "miss_us": microseconds(store, missing)}
            yield {"what": "lookup", "objects": count, **times}


def microseconds(store: Store, keys: list[str]) -> float:
    """Median time of looking for a key."""
    times = []
    for key in keys:
        start = time.perf_counter()
        store.find(key)
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def study() -> dict[str, Any]:
    """A few images and steps, but networks, histories and pictures of the paper's size."""
    config = paper()
    bins = {"angle": 8, "hue": 4, "scale": 4, "x": 4, "y": 4}
    histories = {"iterations": 257, "history_every": 1, "batch_size": 16}
    likelihood = {"likelihood_images": 2, "memorization_images": 64}
    return config | {
        "datasets": {"few": config["datasets"]["tetrominoes"] | {"bins": bins}},
        "splits": {"half": {"dataset": "few", "kind": "cv", "n_train": 1024}},
        "archs": {name: config["archs"][name] for name in ARCHS},
        "betas": [RUN["beta"]],
        "seeds": [RUN["seed"]],
        "training": config["training"] | histories,
        "evaluation": config["evaluation"] | likelihood,
        "experiments": {"hits": {"splits": ["half"], "archs": list(ARCHS)}},
        "figures": {},
        "targets": ["hits"],
    }


def jobs() -> Iterator[Row]:
    """The cost of jobs that are hits, and of what a run leaves on disk."""
    plan = Plan(read_study(study()))
    nodes = [node for stage in OBJECTS for node in getattr(plan, stage).values()]
    paths = [node.files(OBJECTS[node.stage], [RUN])[0] for node in nodes]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "config.yaml").write_text(yaml.safe_dump(study(), sort_keys=False), "utf-8")
        places = [folder / "results" / kind / stage for stage in OBJECTS for kind in (".", "logs")]
        places.append(folder / ".snakemake")

        def call(*settings: str, **variables: str) -> tuple[float, str]:
            flags = ("--cores", "1", "--config", *settings)
            cost, text = snakemake(folder, *paths, *flags, **variables)
            return cost["seconds"], text

        def forget() -> None:
            for place in places:
                shutil.rmtree(place)

        call(*PACKING["packed"])
        seconds = []
        for _ in range(ROUNDS):
            forget()
            (hits, text), (nothing, _) = call(), call()
            assert text.count("from the store") == len(paths), text
            seconds.append((hits - nothing) / len(paths))
        # the run's own folder, its links, its log, and Snakemake's record of each output
        left = [path for place in places for path in place.rglob("*seed-*")]
        left += [path for place in places for path in place.rglob("seed-*/*")]
        left += (folder / ".snakemake/metadata").iterdir()
        stored = [(folder / path).resolve().parent for path in paths]
        for node, found in zip(nodes, stored, strict=True):
            files = list(found.iterdir())
            size = sum(file.stat().st_size for file in files)
            left += [found, *files]
            arch = node.name.partition("/")[2]
            yield {"what": "object", "stage": node.stage, "arch": arch, "mb": size / 1e6}
        yield {"what": "run", "inodes": len(left) / len(ARCHS)}
        forget()
        imported = IMPORT.findall(call(PYTHONPROFILEIMPORTTIME="1")[1])
        assert imported.count("rdpipe.store.jobs") == len(paths), "an import was not seen"
        torch = sum(name.partition(".")[0] == "torch" for name in imported)
        yield {"what": "hit", "seconds": statistics.median(seconds), "torch_modules": torch}


def main() -> None:
    """Print a table a question; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--objects", type=int, nargs="+", default=[1000, 10_000])
    given = options.parse_args()
    found = show("Looking for an object", lookups(given.objects), LOOKED_FOR)
    rest = list(jobs())
    for title, what, columns in (
        ("Objects of a run", "object", {"stage": "{}", "arch": "{}", "mb": "{:.2f}"}),
        ("Files, folders and links that a run adds", "run", {"inodes": "{:.0f}"}),
        ("A job that is a hit", "hit", {"seconds": "{:.2f}", "torch_modules": "{}"}),
    ):
        show(title, [row for row in rest if row["what"] == what], columns)
    save(given.json, [*found, *rest])


if __name__ == "__main__":
    main()
