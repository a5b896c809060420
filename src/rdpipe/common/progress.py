"""Progress of anything that may take longer than ten seconds, as lines of a log.

It is also told to the logger `live`, whose records are no lines of a log. A job keeps the last of
them in a small file, which `rdpipe watch` shows (`rdpipe.store.live`).
"""

import logging
import time

log = logging.getLogger("rdpipe")
live = logging.getLogger("rdpipe.live")
live.propagate = False

EVERY = 10.0  # seconds between two lines
LOOK = 1.0  # seconds between two records of `live`


def in_digits(speed: float) -> str:
    """A speed with three digits: `8,240`, `0.5`."""
    return f"{float(f'{speed:.3g}'):,.10g}"


class Progress:
    """Counts work done and logs share, speed and time left at most every ten seconds."""

    def __init__(self, total: int, label: str, done: int = 0) -> None:
        self.total, self.label, self.done = total, label, done
        self._first, self._start = done, time.monotonic()
        self._last = self._told = self._start
        self._tell(0.0)

    def update(self, n: int) -> None:
        """Add `n` units of work done since the last call."""
        self.done += n
        now = time.monotonic()
        if now - self._told < LOOK and self.done < self.total:
            return
        self._told = now
        speed = (self.done - self._first) / max(now - self._start, 1e-9)
        self._tell(speed)
        if now - self._last < EVERY:
            return
        self._last = now
        left = (self.total - self.done) / speed
        share = 100 * self.done / self.total
        log.info(
            f"{self.label}: {self.done:,} of {self.total:,} ({share:.0f} %), "
            f"{in_digits(speed)} a second, {left:,.0f} s left"
        )

    def _tell(self, speed: float) -> None:
        told = {"label": self.label, "done": self.done, "total": self.total, "speed": speed}
        live.info("progress", extra={"progress": told})
