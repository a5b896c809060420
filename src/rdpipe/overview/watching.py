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

from rdpipe.overview.forecast import in_words
from rdpipe.overview.progress import Look, Progress, Told, time_left
from rdpipe.overview.times import Interval, Machine

LOOK, LINE, FORECAST = 2.0, 10.0, 60.0  # seconds between looks, plain lines, and estimates
RUNS = 6  # runs of a pack that the view shows


def view(progress: Progress, left: Interval | None, height: int = 50) -> RenderableType:
    """One screen: stages, targets, running jobs, failures."""
    parts: list[RenderableType] = [_stages(progress), _targets(progress)]
    room = max(height - len(progress.stages) - 10 - 3 * len(progress.failed[:5]), 4)
    if progress.running:
        parts += [Text(), _running(progress, room)]
    if progress.failed:
        parts += [Text(), _failed(progress)]
    parts += [Text(), Text(_end(progress, left), style="bold")]
    return Group(*parts)


def _stages(progress: Progress) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("stage", no_wrap=True)
    table.add_column("", width=16)
    for name in ("done", "running", "failed", "missing", "diverged"):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in progress.stages:
        table.add_row(
            stage.name,
            ProgressBar(total=stage.total, completed=stage.done, width=16),
            f"{stage.done:,} of {stage.total:,}",
            _number(stage.running, "cyan"),
            _number(stage.failed, "bold red"),
            _number(stage.missing, ""),
            _number(stage.diverged, "yellow"),
        )
    return table


def _number(value: int, style: str) -> Text:
    return Text(f"{value:,}", style=style) if value else Text("·", style="dim")


def _targets(progress: Progress) -> Text:
    made = [target.name for target in progress.targets if target.made]
    text = Text("\n")
    if made:
        text.append(f"made: {', '.join(made)}", style="green")
    for target in progress.targets:
        if not target.made:
            text.append(f"\n{target.name}: {target.done:,} of {target.total:,} results")
    return text


def _running(progress: Progress, room: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("running", "", "speed", "D", "R", "left", "where"):
        right = name in ("speed", "D", "R", "left")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "running")
    rows = 0
    for number, told in enumerate(progress.running):
        if rows >= room:
            table.add_row(f"… {len(progress.running) - number} more jobs")
            break
        rows += _add(table, told)
    return table


def _add(table: Table, told: Told) -> int:
    """Add a job and its runs to a table, and return the number of rows."""
    said = told.said
    counted = said.get("progress") or {}
    values = said.get("values") or []
    runs = said.get("runs") or []
    alone = values[0] if len(values) == 1 else (None, None)
    seconds = told.seconds_left
    silent = " (no sign of life)" if told.state == "silent" else ""
    table.add_row(
        Text(told.title + silent, style="yellow" if silent else ""),
        _count(told),
        f"{counted['speed']:.3g}/s" if counted.get("speed") else "",
        _value(alone[0]),
        _value(alone[1]),
        in_words(Interval(seconds, seconds)) if seconds else "",
        _where(told),
    )
    if len(values) < 2:
        return 1
    shown = list(zip(runs, values, strict=False))[:RUNS]
    for run, (distortion, rate) in shown:
        label = f"  beta={run['beta']:g} seed={run['seed']}"
        table.add_row(Text(label, style="dim"), "", "", _value(distortion), _value(rate), "", "")
    if len(values) > RUNS:
        table.add_row(Text(f"  … {len(values) - RUNS} more runs", style="dim"))
    return len(shown) + 2


def _count(told: Told) -> str:
    said = told.said
    counted = said.get("progress")
    results = f"{said['finished']:,} of {said['asked']:,} results" if said["asked"] > 1 else ""
    if not counted:
        return results
    doing = f"{counted['label']} {counted['done']:,} of {counted['total']:,}"
    if said["stage"] == "training":
        return f"iteration {counted['done']:,} of {counted['total']:,}"
    return f"{results}, {doing}" if results else doing


def _value(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.2f}"


def _where(told: Told) -> str:
    """The host of a job, and the GPU it holds."""
    visible = told.said.get("visible")
    device = told.said.get("device") or ""
    gpu = f", {device}" if " " in device else ""
    return f"{told.said['host']}{gpu}{f' ({visible})' if gpu and visible else ''}"


def _failed(progress: Progress) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("failed", no_wrap=False)
    for told in progress.failed[:5]:
        line = told.said.get("line") or "it left no line in its log"
        if told.state == "killed":
            line = f"it was killed; its last line: {line}"
        table.add_row(Text(told.title, style="bold red"))
        table.add_row(Text(f"  {line}"))
        table.add_row(Text(f"  {told.said['log']}", style="dim"))
    if len(progress.failed) > 5:
        table.add_row(f"… {len(progress.failed) - 5} more")
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


def watch(look: Look, machine: Machine, console: Console, say: Callable[[str], None]) -> None:
    """Show a study until its targets are made, or until Ctrl-C."""
    estimate = _Estimate(look, machine)
    try:
        if console.is_terminal:
            with Live(console=console, screen=False, auto_refresh=False) as screen:
                while not (progress := look.progress()).made:
                    screen.update(
                        view(progress, estimate.of(progress), console.height), refresh=True
                    )
                    time.sleep(LOOK)
                screen.update(view(progress, None, console.height), refresh=True)
        else:
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
