"""What a power cut leaves is whole or absent, and half a result is never believed."""

from collections import Counter
from random import Random

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from rdpipe.common.atomic import replacing
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import write_csv, write_json, write_npz, write_parquet
from rdpipe.store.cleaning import contents
from rdpipe.store.leases import Cleaner, leased
from rdpipe.store.links import publish
from rdpipe.store.objects import Store, content_of
from rdpipe.store.roots import register

from ._power import FILE, FOLDER, Recorder, after_cut

KEY = "ab" + "0" * 62
SEEDS = 100
TABLE = pd.DataFrame({"beta": [0.1, 1.0], "rate": [1.5, 2.5], "name": ["a", "b"]})


def training(folder):
    save_file({"weight": np.arange(600.0)}, folder / "model.safetensors")
    write_parquet(folder / "history.parquet", TABLE)
    write_json(folder / "run.json", {"status": "finished"})


def dataset(folder):
    images = np.random.default_rng(0).integers(0, 255, (10, 8, 8, 1), np.uint8)
    write_npz(folder / "images.npz", images=images)
    write_parquet(folder / "factors.parquet", TABLE)


def figure(folder):
    (folder / "fig.pdf").write_bytes(b"%PDF" + bytes(range(256)) * 20)
    write_csv(folder / "fig.csv", TABLE)


KINDS = {"training": training, "dataset": dataset, "figure": figure}


@pytest.fixture(params=KINDS)
def record(request, tmp_path):
    """What a job did that saved a state twice and published an object; and the object's files."""
    (tmp_path / "files").mkdir()
    KINDS[request.param](tmp_path / "files")
    files = {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()}
    (tmp_path / "job").mkdir()
    with Recorder(tmp_path / "job") as recorder:
        work(tmp_path / "job", files)
    return recorder, files


def work(folder, files):
    def write(into):
        for name, content in files.items():
            with (into / name).open("wb", buffering=0) as file:
                for start in range(0, len(content), 1000):
                    file.write(content[start : start + 1000])

    store = Store(folder / "store")
    register(store, folder / "results")
    with leased(store, [KEY]):
        for step in (b"1", b"2"):
            with replacing(store.folder("state") / "x.safetensors") as new:
                new.write_bytes(step * 5000)
        found = store.find(KEY) or store.add(KEY, write, lambda: {"stage": "training"})
        assert publish(found, {name: folder / "results" / name for name in files})


def left(folder, files):
    """What is not as it should be after a cut."""
    store = Store(folder / "store")
    results = [folder / "results" / name for name in files]
    for link in results:
        if link.is_file() and link.read_bytes() != files[link.name]:
            yield "link to half a file"
        elif link.is_symlink() and not link.is_file():
            yield "link to no file"
    state = store.root / "state/x.safetensors"
    if state.exists() and state.read_bytes() not in (b"1" * 5000, b"2" * 5000):
        yield "half a state"
    try:
        contents(store, folder / "results", Cleaner(store))
    except RdpipeError:
        yield "half a registration or lease"
    for link in results:
        if link.is_file():
            try:
                content_of(link)
            except RdpipeError:
                continue
            if link.read_bytes() != files[link.name]:
                yield "half a result is believed"
    found = store.find(KEY)
    if found and any((found / name).read_bytes() != files[name] for name in files):
        yield "half a result is believed"


def cuts(recorder, files, tmp_path, flushes):
    """Faults after many cuts, by kind; each state is then worked on to its end."""
    faults = Counter()
    for seed in range(SEEDS):
        folder = tmp_path / f"{'-'.join(flushes)}-{seed}"
        after_cut(recorder, Random(seed), folder, flushes)
        faults.update(set(left(folder, files)))
        if flushes == (FILE, FOLDER):
            work(folder, files)
            assert {name: (folder / "results" / name).read_bytes() for name in files} == files
    return faults


def test_a_power_cut_leaves_whole_objects_or_none(record, tmp_path):
    recorder, files = record
    assert not cuts(recorder, files, tmp_path, (FILE, FOLDER))


def test_half_a_result_is_not_believed_even_on_a_disk_that_flushes_nothing(record, tmp_path):
    recorder, files = record
    faults = cuts(recorder, files, tmp_path, ())
    assert faults["link to half a file"]  # so the cuts of this model do damage
    assert not faults["half a result is believed"]
