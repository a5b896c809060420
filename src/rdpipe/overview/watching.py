"""The view of a study that runs: tables for a terminal, or plain lines."""

import math
import sys
import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rdpipe.common.progress import in_digits
from rdpipe.overview.forecast import in_words
from rdpipe.overview.progress import Look, Progress, Told, time_left
from rdpipe.overview.times import Interval, Machine

LOOK, LINE, FORECAST = 2.0, 10.0, 60.0  # seconds between looks, plain lines, and estimates
RUNS = 6  # runs of a pack that the view shows
FAILED, FAILED_TIGHT = 5, 2  # failed jobs that it shows, and on a small screen


def view(
    progress: Progress, left: Interval | None, height: int = 50, study: str = ""
) -> RenderableType:
    """One screen: time left, stages, targets, running jobs, failures.

    If the screen has too few rows for all of it, each job has one row, and each subject too.
    """
    first = Text(_end(progress, left), style="bold", no_wrap=True, overflow="ellipsis")
    first.append(f"{', ' if first.plain and study else ''}{study}", style="not bold dim")
    above, room = 2 + len(progress.stages), height - 1  # a terminal keeps a row for its cursor
    unmade = [target for target in progress.targets if not target.made]
    made = len("made: ") + sum(len(one.name) + 2 for one in progress.targets if one.made)
    roomy = above + 1 + math.ceil(made / 80) + len(unmade)
    roomy += 2 + len(progress.running) if progress.running else 0
    roomy += 2 + 3 * min(len(progress.failed), FAILED) if progress.failed else 0
    tight = roomy > room
    parts: list[RenderableType] = [first, _stages(progress)]
    parts.append(_targets(progress, tight))
    failed = _failed(progress, tight)
    if progress.running:
        space = room - above - 2 - failed.row_count if tight else room - roomy
        space = max(space, 1) if tight else space + len(progress.running)
        parts += [*_gap(tight), _running(progress, space, tight)]
    if progress.failed:
        parts += [*_gap(tight), failed]
    return Group(*parts)


def _gap(tight: bool) -> list[Text]:
    return [] if tight else [Text()]


def _table(*names: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return table


def _cut(text: str, style: str = "") -> Text:
    """A text that may be cut at its end where the screen is narrow."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _stages(progress: Progress) -> Table:
    counts = ("done", "running", "failed", "missing", "diverged")
    table = _table("stage", "", *counts, right=counts)
    for stage in progress.stages:
        table.add_row(
            stage.name,
            ProgressBar(total=stage.total, completed=stage.done, width=12),
            f"{stage.done:,} of {stage.total:,}",
            _number(stage.running, "cyan"),
            _number(stage.failed, "bold red"),
            _number(stage.missing, ""),
            _number(stage.diverged, "yellow"),
        )
    return table


def _number(value: int, style: str) -> Text:
    return Text(f"{value:,}", style=style) if value else Text("·", style="dim")


def _targets(progress: Progress, tight: bool) -> Text:
    made = [target.name for target in progress.targets if target.made]
    unmade = [target for target in progress.targets if not target.made]
    told = [f"{target.name}: {target.done:,} of {target.total:,} results" for target in unmade]
    if tight and len(progress.targets) > 1:
        return _cut(f"{len(made):,} of {len(progress.targets):,} targets are made")
    if tight:
        return _cut("".join(told))
    lines = [_cut(f"made: {', '.join(made)}", "green")] if made else []
    return Text("\n").join([Text(), *lines, *map(_cut, told)])


def _running(progress: Progress, room: int, tight: bool) -> Table:
    """A row for each job, and more for its runs if there is room for those of all jobs."""
    places = [_where(told) for told in progress.running]
    alike = len(set(places)) == 1
    names = ("done", "speed", "D", "R", "left", *(() if alike else ("where",)))
    table = _table()
    table.add_column(_cut(f"running on {places[0]}" if alike else "running"))
    for name in names:  # columns that may be cut are not `no_wrap`: rich makes them narrow first
        right = name != "where"
        table.add_column(name, justify="right" if right else "left", no_wrap=right)
    packed = [len(told.said.get("values") or []) for told in progress.running]
    runs = not tight and sum(1 + min(number, RUNS + 1) for number in packed if number > 1) <= room
    shown = len(places) if len(places) <= room else room - 1
    for told, place in zip(progress.running[:shown], places, strict=False):
        _add(table, told, () if alike else (_cut(place),), runs)
    if shown < len(places):
        table.add_row(_cut(f"… {len(places) - shown} more jobs"))
    return table


def _add(table: Table, told: Told, place: tuple[Text, ...], with_runs: bool) -> None:
    """Add a job and perhaps its runs to a table."""
    said = told.said
    counted = said.get("progress") or {}
    values = said.get("values") or []
    alone = values[0] if len(values) == 1 else (None, None)
    silent = " (no sign of life)" if told.state == "silent" else ""
    table.add_row(
        _cut(told.title.replace("beta=", "β=") + silent, "yellow" if silent else ""),
        _count(told),
        f"{in_digits(counted['speed'])}/s" if counted.get("speed") else "",
        _value(alone[0]),
        _value(alone[1]),
        _short(told.seconds_left),
        *place,
    )
    if len(values) < 2 or not with_runs:
        return
    for run, (distortion, rate) in list(zip(said.get("runs") or [], values, strict=False))[:RUNS]:
        label = f"  β={run['beta']:g} seed={run['seed']}"
        table.add_row(_cut(label, "dim"), "", "", _value(distortion), _value(rate))
    if len(values) > RUNS:
        table.add_row(_cut(f"  … {len(values) - RUNS} more runs", "dim"))


def _short(seconds: float | None) -> str:
    """A time in few letters: `2.3 min`."""
    if not seconds:
        return ""
    seconds = max(seconds, 1)
    number, unit = in_words(Interval(seconds, seconds)).split()
    return f"{number} {'min' if unit.startswith('min') else unit[0]}"


def _count(told: Told) -> str:
    """How much of a job is done: iterations, or results and a share of the next."""
    said = told.said
    counted = said.get("progress")
    results = f"{said['finished']:,}/{said['asked']:,}" if said["asked"] > 1 else ""
    if not counted:
        return results
    if said["stage"] == "training":
        return f"{counted['done']:,}/{counted['total']:,}"
    share = f"{100 * counted['done'] // max(counted['total'], 1):.0f} %"
    return f"{results}, {share}" if results else share


def _value(value: float | None) -> str:
    return (
        "" if value is None or not math.isfinite(value) else f"{value:.{2 if value < 1000 else 1}f}"
    )


def _where(told: Told) -> str:
    """The host of a job, and the GPU it holds."""
    visible = told.said.get("visible")
    device = told.said.get("device") or ""
    gpu = f", {device}" if " " in device else ""
    return f"{told.said['host']}{gpu}{f' ({visible})' if gpu and visible else ''}"


def _failed(progress: Progress, tight: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("failed")
    most = FAILED_TIGHT if tight else FAILED
    for told in progress.failed[:most]:
        line = told.said.get("line") or "it left no line in its log"
        if told.state == "killed":
            line = f"it was killed; its last line: {line}"
        if tight:
            table.add_row(_cut(f"{told.title}: {line}", "bold red"))
        else:
            table.add_row(_cut(told.title, "bold red"))
            table.add_row(Text(f"  {line}"))
        table.add_row(_cut(f"  {told.said['log']}", "dim"))
    if len(progress.failed) > most:
        table.add_row(f"… {len(progress.failed) - most} more")
    return table


def _end(progress: Progress, left: Interval | None) -> str:
    if progress.made:
        return "all targets are made"
    if left is None:
        return ""
    if not progress.running:
        return f"no job runs; {in_words(left)} to go"
    return f"{in_words(left)} to go"


def line(progress: Progress, left: Interval | None) -> str:
    """One plain line: for logs, and for terminals that are none."""
    parts = [
        f"{stage.name} {stage.done:,}/{stage.total:,}"
        for stage in progress.stages
        if stage.done < stage.total
    ]
    parts += [f"{len(progress.running)} jobs run"] if progress.running else []
    parts += [f"{sum(stage.failed for stage in progress.stages)} failed"] if progress.failed else []
    parts += [_end(progress, left)]
    return ", ".join(filter(None, parts))


def watch(
    look: Look, machine: Machine, console: Console, say: Callable[[str], None], study: str = ""
) -> None:
    """Show a study until its targets are made, or until Ctrl-C.

    `study` is its heading: the name of the study and the files of its config.
    """
    estimate = _Estimate(look, machine)
    try:
        if console.is_terminal:
            with Live(console=console, screen=False, auto_refresh=False) as screen:
                while not (progress := look.progress()).made:
                    left = estimate.of(progress)
                    screen.update(view(progress, left, console.height, study), refresh=True)
                    time.sleep(LOOK)
                screen.update(view(progress, None, console.height, study), refresh=True)
        else:
            if study:
                say(study)
            _lines(look, estimate, say)
    except KeyboardInterrupt:
        return


def _lines(look: Look, estimate: "_Estimate", say: Callable[[str], None]) -> None:
    before, told = "", set[str]()
    while True:
        progress = look.progress()
        now = line(progress, estimate.of(progress))
        if now != before:
            say(f"{datetime.now():%H:%M:%S} {now}")
            before = now
        for one in progress.failed:
            if (failure := f"{one.title}: {one.said.get('line', one.state)}") not in told:
                say(f"  failed: {failure} ({one.said['log']})")
                told.add(failure)
        sys.stdout.flush()
        if progress.made:
            return
        time.sleep(LINE)


class _Estimate:
    """The time left, estimated about once a minute, and counted down in between."""

    def __init__(self, look: Look, machine: Machine) -> None:
        self._look, self._machine = look, machine
        self._at = -math.inf
        self._left = Interval(0, 0)

    def of(self, progress: Progress) -> Interval:
        now = time.monotonic()
        if now - self._at >= FORECAST:
            self._left, self._at = time_left(self._look, progress, self._machine), now
        gone = now - self._at
        return Interval(max(self._left.low - gone, 0), max(self._left.high - gone, 1))
