"""How a job speaks and how it ends: its log, one sentence for a failure, and signals."""

import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from rdpipe.common.errors import RdpipeError

log = logging.getLogger("rdpipe")

# from a batch system or `kill`, and from Ctrl-C; both are treated alike
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ended(BaseException):
    """A signal asked the job to end. This is no error, so nothing on the way handles it as one."""


class Signals:
    """Whether a signal has asked this job to end.

    The first signal ends a computation at once, unless the computation has called `stopping`
    before. Such a computation ends by itself, after it has saved its state. Further signals change
    nothing: batch systems send several at once, and people press Ctrl-C twice.

    Attributes
    ----------
    came
        Whether a signal has come.
    """

    def __init__(self) -> None:
        self.came = self._asked = False

    def stopping(self) -> bool:
        """Whether the computation should save its state and end."""
        self._asked = True
        return self.came

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals while the block runs."""
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        first, self.came = not self.came, True
        if first and not self._asked:
            raise Ended(signal.Signals(number).name)


@contextmanager
def reporting(title: str, log_file: Path, store: Path, signals: Signals) -> Iterator[None]:
    """Log a job to its file and to standard error, and end it with one sentence if it fails.

    Parameters
    ----------
    title
        Stage and name, and β and seed if the job has one run. It begins every line that is not
        about another name.
    log_file
        Where the log goes. The traceback of an unexpected error goes there too, and nowhere else.
    store
        Folder of the store, which the sentence about a full disk names.
    signals
        Catches signals while the block runs.

    Raises
    ------
    SystemExit
        With status 1, if the block fails or a signal ends it.
    """
    log.setLevel(logging.INFO)
    with ExitStack() as stack:
        stack.enter_context(_logging_to(logging.StreamHandler(), _Titled(title)))
        stack.enter_context(signals.caught())
        try:
            file = _Titled(title, "%(asctime)s %(message)s")
            stack.enter_context(_logging_to(_LogFile(log_file), file))
            yield
        except Ended as ended:
            log.error("%s: ended by %s; call snakemake again: it goes on from here.", title, ended)
            sys.exit(1)
        except Exception as error:
            if sentence := _sentence(error, log_file, store):
                log.error("%s: %s", title, sentence)
            else:
                log.error("%s: %s: %s (see %s)", title, type(error).__name__, error, log_file)
                with suppress(OSError), log_file.open("a", encoding="utf-8") as opened:
                    traceback.print_exception(error, file=opened)
            sys.exit(1)


def _sentence(error: Exception, log_file: Path, store: Path) -> str:
    """What the user should do about an error; the empty string for an error nobody expected."""
    if isinstance(error, RdpipeError):
        return str(error)
    # libraries wrap the error of a full disk in classes of their own, but keep its words
    if any(os.strerror(code) in str(error) for code in (errno.ENOSPC, errno.EDQUOT)):
        return (
            f"no room is left, on the disk or of your quota, for {store} or {log_file.parent} "
            f"({error}); make some and call snakemake again: what was finished is kept."
        )
    return ""


class _Titled(logging.Formatter):
    """Begins each line with the title of its job, as several jobs write to one terminal."""

    def __init__(self, title: str, fmt: str | None = None, datefmt: str | None = None) -> None:
        super().__init__(fmt, datefmt)
        self.title = title
        self.stage = title.partition(" ")[0]

    def formatMessage(self, record: logging.LogRecord) -> str:
        if not record.message.startswith(f"{self.stage} "):
            record.message = f"{self.title}: {record.message.removeprefix(f'{self.stage}: ')}"
        return super().formatMessage(record)


@contextmanager
def _logging_to(handler: logging.Handler, formatter: logging.Formatter) -> Iterator[None]:
    handler.setFormatter(formatter)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        with suppress(OSError):  # a full disk refuses the last lines
            handler.close()


class _LogFile(logging.FileHandler):
    """The log of a job, in a folder that is made if it is missing."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, mode="w", encoding="utf-8")

    def handleError(self, _record: logging.LogRecord) -> None:
        """A full disk costs lines of the log, not the job."""
