"""What a running job tells of itself, for `rdpipe watch`."""

import gc
import logging
import time

import numpy as np
import pytest

from rdpipe.common.files import read_json
from rdpipe.common.progress import Progress
from rdpipe.store import live
from rdpipe.store.live import place, shown
from tests.training._runs import MIXED, train

log = logging.getLogger("rdpipe")
ABOUT = {"stage": "training", "name": "half/mlp-1", "asked": 4, "log": "results/logs/x.log"}


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The file of a job, written as often as it changes."""
    monkeypatch.setattr(live, "EVERY", 0.01)
    log.setLevel(logging.INFO)
    return place(tmp_path / "logs/training/half/all.log")


def told(file, wanted):
    """What the file says, as soon as it says what is wanted."""
    for _ in range(500):
        if file.exists() and wanted(read_json(file)):
            return read_json(file)
        time.sleep(0.01)
    pytest.fail(f"{file} does not say it")


def test_the_file_lies_beside_the_logs_of_all_stages(file, tmp_path):
    assert file.parent == tmp_path / "logs/running"
    assert place(tmp_path / "logs/training/half/other.log") != file


def test_a_job_tells_its_progress_and_its_last_line_and_leaves_nothing(file):
    with shown(file, ABOUT) as job:
        progress = Progress(100, "training")
        progress.update(100)
        log.info("half of it is done")
        job.finished()
        said = told(file, lambda said: said["finished"] == 1)
    assert said["state"] == "running" and said["line"] == "half of it is done"
    assert said["progress"]["done"] == said["progress"]["total"] == 100
    assert not list(file.parent.iterdir())


@pytest.mark.parametrize(("stopped", "state"), [(False, "failed"), (True, "ended")])
def test_a_job_that_fails_leaves_the_last_line_of_its_log(file, stopped, state):
    with pytest.raises(SystemExit), shown(file, ABOUT, lambda: stopped):
        log.error("there is no split 'haf'.")
        raise SystemExit(1)
    said = read_json(file)
    assert said["state"] == state and said["line"] == "there is no split 'haf'."
    with shown(file, ABOUT):  # the next try ends well
        pass
    assert not file.exists()


def test_a_training_shows_the_d_and_r_that_its_history_has(file, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    seen = []
    with shown(file, ABOUT) as job:
        trained = train(
            images,
            MIXED,
            state=tmp_path / "state.safetensors",
            stop=lambda: seen.append(job.told.get("values")),
        )
        histories = [run.history for run in trained]
        del trained
        gc.collect()
        Progress(1, "another").update(1)
        assert job.told["values"] == []  # the pack is gone, and nothing holds its memory
    last = [[history[name][-1] for name in ("distortion", "rate")] for history in histories]
    np.testing.assert_allclose(seen[-1], last)


def test_a_folder_that_cannot_be_written_costs_the_view_and_no_job(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "EVERY", 0.01)
    (tmp_path / "logs").write_text("no folder")
    with shown(place(tmp_path / "logs/training/all.log"), ABOUT):
        time.sleep(0.05)


def test_a_view_that_fails_ends_no_job(file):
    with shown(file, ABOUT) as job:
        live.live.info("pack", extra={"look": lambda: 1 / 0})
        Progress(2, "training").update(2)
        assert job.told["state"] == "running"
