"""How a job ends: one sentence for the user, a traceback in its log, and signals."""

import errno
import logging
import os
import signal

import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.store.reporting import Signals, reporting

log = logging.getLogger("rdpipe")


@pytest.fixture
def job(tmp_path):
    """A job that logs to logs/job.log."""
    signals = Signals()
    log_file = tmp_path / "logs/job.log"
    return lambda: reporting("training half/mlp-1", log_file, tmp_path / "store", signals)


def written(tmp_path):
    return (tmp_path / "logs/job.log").read_text()


def test_a_log_goes_to_its_file_and_to_standard_error(job, tmp_path, capfd):
    with job():
        log.info("half of it is done")
    log.info("this is another job's")
    assert capfd.readouterr().err == "training half/mlp-1: half of it is done\n"
    assert written(tmp_path).endswith(" training half/mlp-1: half of it is done\n")


def test_every_line_names_its_job_once(job, tmp_path, capfd):
    """As two trainings write to one terminal."""
    with job():
        log.info("training: 550 of 1,500 (37 %)")
        log.info("training half/mlp-1 beta=1 seed=0: computed in 2 s")
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "training half/mlp-1: 550 of 1,500 (37 %)"
    assert lines[1] == "training half/mlp-1 beta=1 seed=0: computed in 2 s"
    assert [line[24:] for line in written(tmp_path).splitlines()] == lines


def test_an_error_that_the_user_can_mend_is_one_sentence(job, tmp_path, capfd):
    with pytest.raises(SystemExit) as ended, job():
        raise RdpipeError("there is no split 'haf'.")
    assert ended.value.code == 1
    assert capfd.readouterr().err == "training half/mlp-1: there is no split 'haf'.\n"
    assert written(tmp_path).endswith("training half/mlp-1: there is no split 'haf'.\n")
    assert "Traceback" not in written(tmp_path)


def test_the_traceback_of_any_other_error_is_in_the_log_alone(job, tmp_path, capfd):
    with pytest.raises(SystemExit), job():
        raise KeyError("beta")
    (sentence,) = capfd.readouterr().err.splitlines()
    assert sentence == f"training half/mlp-1: KeyError: 'beta' (see {tmp_path}/logs/job.log)"
    assert "Traceback" in written(tmp_path)
    assert sentence in written(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_the_folders_that_may_be_meant(job, tmp_path, capfd, code):
    """Also if a library has an error of its own for it."""
    with pytest.raises(SystemExit), job():
        raise RuntimeError(f"I/O error: {os.strerror(code)} (os error {code})")
    (sentence,) = capfd.readouterr().err.splitlines()
    assert f"for {tmp_path}/store or {tmp_path}/logs (I/O error: " in sentence
    assert sentence.endswith("call snakemake again: what was finished is kept.")


def test_a_log_on_a_full_disk_costs_lines_and_no_job(job, tmp_path, capfd):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/job.log").symlink_to("/dev/full")
    with job():
        log.info("half of it is done")
    assert capfd.readouterr().err == "training half/mlp-1: half of it is done\n"


def test_a_log_that_cannot_be_opened_is_one_sentence(job, tmp_path, capfd):
    (tmp_path / "logs").write_text("no folder")
    with pytest.raises(SystemExit), job():
        pytest.fail("the job began")
    (sentence,) = capfd.readouterr().err.splitlines()
    assert "FileExistsError" in sentence


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_job_with_one_sentence(job, tmp_path, capfd, number):
    with pytest.raises(SystemExit) as ended, job():
        try:
            os.kill(os.getpid(), number)
            pytest.fail("the job went on")
        except Exception:
            pytest.fail("the job took the signal for an error")
    assert ended.value.code == 1
    (sentence,) = capfd.readouterr().err.splitlines()
    assert sentence == (
        f"training half/mlp-1: ended by {number.name}; call snakemake again: it goes on from here."
    )
    assert "Traceback" not in written(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_computation_that_asks_ends_itself_however_often_signals_come(tmp_path, number):
    signals = Signals()
    with reporting("training", tmp_path / "job.log", tmp_path, signals):
        assert not signals.stopping()
        for _ in range(3):
            os.kill(os.getpid(), number)
            assert signals.stopping()


def test_signals_are_as_before_when_a_job_has_ended(job):
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with job():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
    with pytest.raises(SystemExit), job():
        raise RdpipeError("no.")
    assert [signal.getsignal(number) for number in numbers] == before
