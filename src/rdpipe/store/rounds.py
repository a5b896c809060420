"""Computations of many items: in rounds that fit the memory, and resumable after an interruption.

A saved state belongs to all items that were computed together. To go on from it gives the numbers
of an uninterrupted computation exactly, but only with the same items. So the keys of these items
lie beside the state, in a JSON file, with the time that was spent on it. Items are known here by
their store keys alone.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from rdpipe.common.atomic import replacing
from rdpipe.common.errors import OutOfMemoryError
from rdpipe.common.files import read_json, write_json
from rdpipe.store.digests import digest
from rdpipe.store.objects import Store

log = logging.getLogger("rdpipe")


def state_of(store: Store, keys: Iterable[str]) -> Path:
    """The state file of the computation of these items.

    It belongs to this checkout. Another checkout that computes the same items has its own, since it
    may be far behind, or use hardware that rounds differently.
    """
    return store.root / "state" / f"{digest([str(Path.cwd()), *sorted(keys)])}.safetensors"


def in_rounds(
    keys: Sequence[str],
    missing: Collection[str],
    most: int,
    state: Path,
    compute: Callable[[list[str]], None],
) -> None:
    """Compute all missing items, up to `most` at a time.

    If the memory is too small for a round, the next round takes half as many.

    Parameters
    ----------
    keys
        All items of the job.
    missing
        Those that the store lacks.
    most
        How many items may fit the memory together.
    state
        The state file. `compute` goes on from it, and removes it when its round has ended.
    compute
        Computes the items with these keys together.

    Raises
    ------
    OutOfMemoryError
        If even a single item does not fit, or if the same items have fitted before: then other
        programs use the memory, and the state must not be lost.
    """
    left = [key for key in keys if key in missing]
    while left:
        together = _next_round(keys, left, most, state)
        if len(together) < len(left):
            log.info("%d of %d runs at once, for memory", len(together), len(left))
        try:
            compute(together)
        except OutOfMemoryError as error:
            if len(together) == 1 or state.exists():
                raise
            log.warning("%s", error)
            most = len(together) // 2
        else:
            left = [key for key in left if key not in together]


def _next_round(keys: Sequence[str], left: list[str], most: int, state: Path) -> list[str]:
    """The items of a saved state if one of them is left to compute, else the next `most`.

    Items of a saved state that were stored just before the interruption are computed once more,
    because the others get their exact numbers only together with them.
    """
    if state.exists():
        with suppress(OSError, ValueError, KeyError, TypeError):
            told = read_json(_beside(state))
            together = [key for key in keys if key in told["keys"]]
            if any(key in left for key in together):
                since_then = state.stat().st_mtime - told["since"]
                _note(state, told["keys"], told["spent"] + max(0.0, since_then))
                return together
    state.unlink(missing_ok=True)
    _note(state, left[:most], 0.0)
    return left[:most]


def _note(state: Path, keys: list[str], spent: float) -> None:
    """Write what belongs to a state: its items, the seconds spent on it, and when it goes on."""
    with replacing(_beside(state)) as new:
        write_json(new, {"keys": keys, "spent": spent, "since": time.time()})


def spent(state: Path) -> float:
    """Seconds that earlier calls took to come to a saved state; 0 without one.

    A call that was killed counts up to the last state that it saved.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(read_json(_beside(state))["spent"])
    return 0.0


def forget(state: Path) -> None:
    """Remove a state, its list of items, and what a killed job left of writing them."""
    for path in state.parent.glob(f"*{state.stem}*"):
        with suppress(OSError):  # in a store that is read-only
            path.unlink()


def _beside(state: Path) -> Path:
    """The file with the keys of a state's items and the time spent on it."""
    return state.with_suffix(".json")
