"""Progress of anything that may take longer than ten seconds, as lines of a log."""

import logging
import time

log = logging.getLogger("rdpipe")


class Progress:
    """Counts work done and logs share, speed and time left at most every `every` seconds."""

    def __init__(self, total: int, label: str, done: int = 0, every: float = 10.0) -> None:
        self.total, self.label, self.done, self.every = total, label, done, every
        self._first, self._start = done, time.monotonic()
        self._last = self._start

    def update(self, n: int) -> None:
        """Add `n` units of work done since the last call."""
        self.done += n
        now = time.monotonic()
        if now - self._last < self.every:
            return
        self._last = now
        rate = (self.done - self._first) / (now - self._start)
        left = (self.total - self.done) / rate
        share = 100 * self.done / self.total
        log.info(
            f"{self.label}: {self.done:,} of {self.total:,} ({share:.0f} %), "
            f"{rate:.3g} a second, {left:.0f} s left"
        )
