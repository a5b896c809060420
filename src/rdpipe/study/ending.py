"""What a call of the workflow says when it ends: what it made, where that is, and what failed."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rdpipe.common.own_files import printable
from rdpipe.study.names import missing
from rdpipe.study.plan import RESULTS, Plan

MOST = 10  # failed jobs, or results as before, that are named
LONGEST = 300  # characters of a line of a log that are shown
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")  # before every line of a log
TAIL = 10_000  # bytes at the end of a log that are read


@dataclass(frozen=True)
class Failure:
    """A job that failed.

    Attributes
    ----------
    stage
        Its rule.
    wildcards
        The values of its rule's wildcards: an address, and of a run also β and seed.
    log
        Its log.
    """

    stage: str
    wildcards: Mapping[str, str]
    log: Path

    @property
    def title(self) -> str:
        """Its stage and the name of its result."""
        return f"{self.stage} {self.wildcards.get(self.stage, '').rpartition('-')[0]}".strip()

    @property
    def reason(self) -> str:
        """The last line of its log, without the title that the line may begin with."""
        return re.sub(rf"^{re.escape(self.title)}( [^:]*)?: ", "", last_line(self.log))

    def __str__(self) -> str:
        axes = [f"{axis}={value}" for axis, value in self.wildcards.items() if axis != self.stage]
        return " ".join([self.title, *axes])


def summary(
    plan: Plan,
    targets: Sequence[str],
    before: Collection[str],
    removed: Mapping[str, str],
    failures: Sequence[Failure],
) -> Iterator[str]:
    """The lines that a call says when it ends.

    Parameters
    ----------
    plan
        The plan of the study.
    targets
        The targets that the call was asked for.
    before
        The plain names that were `missing` when the call began.
    removed
        What `set_names` returned when the call began.
    failures
        The jobs that failed.
    """
    now = missing(plan, targets)
    said: dict[str, list[str]] = {"made": [], "not made": [], "as before": []}
    for node in plan.target_nodes(targets):
        names = list(plan.names(node))
        if any(name in now for name in names):
            said["not made"].append(_shown(names) + _instead(names[0], removed))
        else:
            said["made" if any(name in before for name in names) else "as before"].append(
                _shown(names)
            )
    if len(said["as before"]) > MOST and not said["made"] and not said["not made"]:
        yield (
            f"as before  all {len(said['as before'])} figures and tables that were asked for, in "
            f"{RESULTS}/{plan.study.name}/"
        )
    else:
        yield from (f"{what:<10} {line}" for what, lines in said.items() for line in lines)
    for failure in failures[:MOST]:
        yield f"failed     {failure}: {failure.reason} ({failure.log})"
    if len(failures) > MOST:
        yield f"failed     {len(failures) - MOST:,} more; see {RESULTS}/logs/"


def last_line(log: Path) -> str:
    """The last line of a job's log, without its time."""
    text = b""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        text = file.read()
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return "nothing is in its log"
    return printable(TIME.sub("", lines[-1]))[:LONGEST]


def _shown(names: Sequence[str]) -> str:
    """The plain names of one result: a folder, or files that differ in their endings."""
    first, *others = names
    if not others:
        return f"{first}/"
    return " ".join([first, *(Path(other).suffix for other in others)])


def _instead(name: str, removed: Mapping[str, str]) -> str:
    """What there is in place of a result that was not made."""
    if name in removed:
        return f"; the result before lies in {removed[name]}"
    if Path(name).exists():
        return "; the plain name shows the result of older code"
    return ""
