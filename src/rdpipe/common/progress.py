"""Progress of anything that may take longer than ten seconds, as lines of a log."""

import logging
import time

log = logging.getLogger("rdpipe")

EVERY = 10.0  # seconds between two lines


class Progress:
    """Counts work done and logs share, speed and time left at most every ten seconds."""

    def __init__(self, total: int, label: str, done: int = 0) -> None:
        self.total, self.label, self.done = total, label, done
        self._first, self._start = done, time.monotonic()
        self._last = self._start

    def update(self, n: int) -> None:
        """Add `n` units of work done since the last call."""
        self.done += n
        now = time.monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        speed = (self.done - self._first) / (now - self._start)
        left = (self.total - self.done) / speed
        share = 100 * self.done / self.total
        log.info(
            f"{self.label}: {self.done:,} of {self.total:,} ({share:.0f} %), "
            f"{speed:.3g} a second, {left:.0f} s left"
        )
