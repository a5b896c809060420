"""What a job tells of itself while it runs: a small JSON file, which `rdpipe watch` reads.

The file lies in the folder `running` beside the logs of all stages. A thread of its own writes it,
at most once a second, so a slow file system never holds up a computation. The thread also sets the
file's time every few seconds, so that a file whose time stands still is that of a killed job. A job
that ends well removes its file. The file of a job that failed stays until its results have come.

No result depends on these files. A full disk, or a folder that cannot be written, costs the view.
"""

import json
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rdpipe.common.progress import live
from rdpipe.store.digests import digest
from rdpipe.store.provenance import device

log = logging.getLogger("rdpipe")

FOLDER = "running"
EVERY, BEAT = 1.0, 10.0  # seconds between two versions of the file, and between two signs of life


def place(log_file: Path) -> Path:
    """The file of the job with this log: in `results/logs/running`."""
    logs = next((one for one in log_file.parents if one.name == "logs"), log_file.parent)
    return logs / FOLDER / f"{digest(str(log_file))[:16]}.json"


class Live(logging.Handler):
    """Keeps what a job tells: its progress, D and R of its runs, and the last line of its log.

    Parameters
    ----------
    about
        What the file says from the beginning: stage, name, log, and how many results are asked for.
    """

    def __init__(self, about: Mapping[str, Any]) -> None:
        super().__init__(logging.INFO)
        self._look: Callable[[], list[list[float]]] = list
        self.told: dict[str, Any] = {
            **about,
            "finished": 0,
            "state": "running",
            "host": socket.gethostname(),
            "process": os.getpid(),
            "started": time.time(),
        }

    def emit(self, record: logging.LogRecord) -> None:
        """Take in a line of the log, or a record of `live`."""
        with suppress(Exception):  # a view that fails must not end the job
            if look := getattr(record, "look", None):
                self._look = look
            elif progress := getattr(record, "progress", None):
                self.told = self.told | {
                    "progress": progress, "values": self._values(), "device": device(),
                    "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
                }  # fmt: skip
            elif record.levelno >= logging.ERROR or self.told["state"] == "running":
                self.told = self.told | {"line": record.getMessage()}

    def computes(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """Say which runs are computed together, in the order of D and R."""
        self._look = list
        self.told = self.told | {"runs": [dict(run) for run in runs], "values": []}

    def finished(self) -> None:
        """Count a result that has come."""
        self.told = self.told | {"finished": self.told["finished"] + 1}

    def ends(self, state: str) -> None:
        """Say how the job ended."""
        self.told = self.told | {"state": state, "ended": time.time()}

    def _values(self) -> list[list[float | None]]:
        return [[x if math.isfinite(x) else None for x in run] for run in self._look()]


@contextmanager
def shown(
    path: Path, about: Mapping[str, Any], stopped: Callable[[], bool] = lambda: False
) -> Iterator[Live]:
    """Show a job in its file while the block runs.

    If the block ends with an exception, the file stays, with the last line of the log. Its state is
    `failed`, or `ended` if the job was `stopped` by a signal.
    """
    handler = Live(about)
    over = threading.Event()
    writer = threading.Thread(target=_keep, args=(path, handler, over), daemon=True)
    for logger in (log, live):
        logger.addHandler(handler)
    writer.start()
    try:
        yield handler
    except BaseException:
        handler.ends("ended" if stopped() else "failed")
        raise
    else:
        handler.ends("done")
    finally:
        for logger in (log, live):
            logger.removeHandler(handler)
        over.set()
        writer.join(timeout=BEAT)


def _keep(path: Path, handler: Live, over: threading.Event) -> None:
    """Write the file whenever the job has told something, until the job is over."""
    written: Mapping[str, Any] = {}
    beat = time.monotonic()
    running = True
    while running:
        running = not over.wait(EVERY)
        told, now = handler.told, time.monotonic()
        with suppress(OSError):
            if told["state"] == "done":
                path.unlink(missing_ok=True)
            elif told is not written:
                _write(path, told)
                written, beat = told, now
            elif now - beat >= BEAT:
                os.utime(path)
                beat = now


def _write(path: Path, told: Mapping[str, Any]) -> None:
    """Replace the file in one step. Nothing waits for the disk: the next version comes soon."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(json.dumps(told), "utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
