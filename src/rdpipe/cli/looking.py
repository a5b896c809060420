"""Commands that look at a study: its cost, its progress, its runs, and what differs."""

import csv
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from rdpipe.cli._common import CONFIG, Configfile, console, one_sentence, read_plan, say
from rdpipe.common.errors import RdpipeError
from rdpipe.common.names import unknown
from rdpipe.overview import comparing, forecast, progress, runs, studies, times, watching
from rdpipe.overview.forecast import Forecast, in_words, of_bytes, total
from rdpipe.overview.progress import Look
from rdpipe.overview.results import Results
from rdpipe.overview.times import Machine
from rdpipe.study.plan import Plan
from rdpipe.study.settings.study import STAGES

GAP = 2  # columns between those of a table
LARGEST = 8  # jobs that `rdpipe plan` lists by name
OVERLAYS = (".yaml", ".yml")
WHOLE = frozenset({"all", "report"})  # rules that need all targets of the study

Asked = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TARGET…] [OVERLAY…]",
        help="Targets, else those of a plain `snakemake`; overlays on config.yaml, in order.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Cores = Annotated[int | None, typer.Option(help="Cores to use; else all of this machine.", min=1)]
Gpus = Annotated[int | None, typer.Option(help="GPUs to use; else all of this machine.", min=0)]


def _study(asked: list[str] | None) -> tuple[Plan, list[str]]:
    """The plan of some overlays, and the targets that are asked for."""
    asked = asked or []
    plan = read_plan(_overlays(asked))
    named = [one for one in asked if not one.endswith(OVERLAYS)]
    targets = [one for one in named if one not in WHOLE]
    with one_sentence():
        for name in targets:
            if name not in plan.targets:
                raise RdpipeError(unknown("target", name, plan.targets))
    whole = not named or not WHOLE.isdisjoint(named)
    return plan, list(dict.fromkeys([*(plan.study.targets if whole else ()), *targets]))


def _overlays(asked: list[str] | None) -> list[Path]:
    return [Path(one) for one in asked or [] if one.endswith(OVERLAYS)]


def _heading(study: Plan, asked: list[str] | None) -> str:
    return studies.heading(study, _overlays(asked) or [CONFIG])


def _say_study(study: Plan, asked: list[str] | None) -> None:
    """Say which study is shown, and which other one may be meant."""
    say(_heading(study, asked))
    if line := studies.others(study, _overlays(asked)):
        say(line)


def plan(
    asked: Asked = None,
    configfile: Configfile = False,
    cores: Cores = None,
    gpus: Gpus = None,
    as_json: Json = False,
) -> None:
    """Show what a call of snakemake would do, and what it costs.

    Times are estimated from the records of the store, and else from counted operations. Disk is
    what the new results take. Nothing is computed, and nothing is changed.
    """
    study, targets = _study(asked)
    with one_sentence():
        machine = forecast.this_machine(cores, gpus)
        found = forecast.forecast(Results(study), targets, machine)
    if as_json:
        print(json.dumps(forecast.as_json(found, targets, machine), indent=2))
        return
    _say_study(study, asked)
    if not found.costs:
        say(f"Nothing to do; already made: {', '.join(targets)}.")
        return
    console.print(_by_stage(found))
    console.print(_largest(found))
    _say_wall(found, machine)


def _by_stage(found: Forecast) -> Table:
    rows = []
    for stage in STAGES:
        if costs := found.of_stage(stage):
            stored = sum(cost.job.stored for cost in costs)
            rows.append([
                stage,
                f"{len(costs):,}",
                f"{sum(len(cost.job.runs) for cost in costs) - stored:,}",
                f"{stored:,}" if stored else "",
                in_words(total(cost.seconds for cost in costs)),
                of_bytes(total(cost.bytes for cost in costs)),
            ])  # fmt: skip
    names = ("stage", "jobs", "to\ncompute", "from the\nstore", "time of all jobs", "disk")
    return _table("What snakemake would do", names, rows)


def _largest(found: Forecast) -> Table:
    """The largest jobs; those that differ in β and seed alone count as one line."""
    groups: dict[tuple[str, str], list[forecast.Cost]] = {}
    for cost in found.costs:
        groups.setdefault((cost.job.node.stage, cost.job.node.name), []).append(cost)
    ordered = sorted(groups.values(), key=lambda costs: -total(c.seconds for c in costs).high)
    rows = []
    for costs in ordered[:LARGEST]:
        node = costs[0].job.node
        memory = found.memory.get(node.stage)
        rows.append([
            f"{node.stage} {node.name}",
            f"{len(costs):,}",
            in_words(costs[0].seconds),
            f"{memory / 1e9:.1f} GB" if memory else "",
        ])  # fmt: skip
    names = ("result", "jobs", "time of a job", "memory,\nat most")
    cells = [
        [*names[place].split("\n"), *(row[place] for row in rows)] for place in range(1, len(names))
    ]
    widths = [max(map(len, column)) for column in cells]
    room = console.width - sum(widths) - GAP * len(widths)
    for row in rows:
        stage, name = row[0].split(" ", 1)
        row[0] = f"{stage} {_shortened(name, room - len(stage) - 1)}"
    table = _table("The largest first", names, rows)
    if len(ordered) > LARGEST:
        table.add_row(f"… {len(ordered) - LARGEST} more")
    return table


def _table(title: str, names: tuple[str, ...], rows: list[list[str]]) -> Table:
    """A table whose cells are not wrapped. Numbers stand to the right."""
    table = Table(
        title=title, title_justify="left", box=None, padding=(0, GAP, 0, 0), pad_edge=False
    )
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _shortened(path: str, width: int) -> str:
    """A path whose beginning gives way if it is too long: its end tells most."""
    width = max(width, 8)
    return path if len(path) <= width else f"…{path[1 - width :]}"


def _say_wall(found: Forecast, machine: Machine) -> None:
    where = f"{machine.cores} cores" if machine.cores > 1 else "one core"
    if machine.gpus:
        where += f" and {machine.gpus} GPU{'s' if machine.gpus > 1 else ''}"
    else:
        where += " and no GPU"
    say(f"With {where}, if nothing else runs there: {in_words(found.wall)}.")
    sources = found.sources()
    for source, stages in sources.items():
        say(f"Times of {', '.join(stages)}: {source}.")
    if forecast.BASES["counted"] in sources:
        say(
            f"Counted times are operations at {times.CPU_SPEED / 1e9:g} billion a second for each "
            f"thread of a CPU, or {times.GPU_SPEED / 1e12:g} trillion for a GPU, and may be "
            f"{1 / times.STATED[0]:g} times too long or {times.STATED[1]:g} times too short. They "
            "get better with the first results."
        )


def status(asked: Asked = None, configfile: Configfile = False, as_json: Json = False) -> None:
    """Show how far a study is, which jobs run, and which have failed."""
    study, targets = _study(asked)
    look = Look(Results(study), targets)
    with one_sentence():
        now = look.progress()
        left = progress.time_left(look, now, forecast.this_machine(None, None))
    if as_json:
        print(json.dumps(_status(now) | {"seconds_left": [left.low, left.high]}, indent=2))
    else:
        _say_study(study, asked)
        console.print(watching.view(now, left))


def _status(now: progress.Progress) -> dict[str, Any]:
    return {
        "made": now.made,
        "stages": [{**one.__dict__, "missing": one.missing} for one in now.stages],
        "targets": [one.__dict__ for one in now.targets],
        "jobs": [{**one.said, "state": one.state} for one in (*now.running, *now.failed)],
    }


def watch(asked: Asked = None, configfile: Configfile = False) -> None:
    """Show a study while it runs, until its targets are made. Ctrl-C ends the view alone.

    The view reads files that jobs keep up to date in results/logs/running. So it also works over
    ssh, on a shared file system, with SLURM, and after snakemake was called again.
    """
    study, targets = _study(asked)
    with one_sentence():
        look = Look(Results(study), targets)
        if line := studies.others(study, _overlays(asked)):
            say(line)
        machine = forecast.this_machine(None, None)
        watching.watch(look, machine, console, say, _heading(study, asked))


def list_runs(
    asked: Asked = None,
    configfile: Configfile = False,
    where: Annotated[
        str, typer.Option(help="Conditions, such as 'split=cv-16k arch=mlp-* beta<1'.")
    ] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="All columns, as CSV.")] = False,
    as_json: Json = False,
) -> None:
    """List the runs of a study with their numbers, status and folder.

    A condition names a column, =, !=, <, <=, > or >=, and a value. `=` takes patterns with `*`, and
    several values, as in `beta=0.1,1`. Conditions may name any column of --csv and --json.
    """
    study, targets = _study(asked)
    with one_sentence():
        columns, rows = runs.table(Look(Results(study), targets), where)
    if as_json:
        print(json.dumps(rows, indent=2))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _say_study(study, asked)
        _print_runs(rows)


def _print_runs(rows: list[dict[str, Any]]) -> None:
    """Aligned lines, which a narrow terminal wraps: no number and no folder may be cut off."""
    several = [name for name in runs.AXES if len({row[name] for row in rows}) > 1]
    shown = [*several, "status", *(n for n in runs.SHORT if any(row.get(n) for row in rows))]
    lines = [[*shown, "folder"]]
    lines += [[_cell(row[name]) for name in shown] + [row["folder"]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    same = {name: rows[0][name] for name in runs.AXES if name not in several} if rows else {}
    said = ", ".join(f"{name} {value}" for name, value in same.items())
    say(f"{len(rows):,} runs{f', all with {said}' if said else ''}")


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def diff(
    one: Annotated[str, typer.Argument(help="A path in results/, or a target.")],
    other: Annotated[str, typer.Argument(help="Another one.")],
    overlays: Annotated[list[Path] | None, typer.Argument(help="Overlays.")] = None,
    configfile: Configfile = False,
) -> None:
    """Show what differs between two results: settings, code, inputs, versions, device, content."""
    results = Results(read_plan(overlays or []))
    with one_sentence():
        found = comparing.diff(*(comparing.record_at(place, results) for place in (one, other)))
    if not found:
        say("Their records do not differ.")
        return
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    table.add_column("what", no_wrap=True)
    room = (console.width - max(len(name) for name, _, _ in found)) // 2 - GAP
    for place in (one, other):
        table.add_column(Text(_shortened(place, room)), overflow="fold")
    for name, left, right in found:
        table.add_row(*(Text(cell) for cell in (name, left, right)))
    console.print(table)


def why(asked: Asked = None, configfile: Configfile = False) -> None:
    """Say why snakemake would compute a target: what is missing, which setting or module changed.

    The newest earlier result of the same name in results/ is what settings and code are compared
    with.
    """
    study, targets = _study(asked)
    results = Results(study)
    _say_study(study, asked)
    for target in targets:
        with one_sentence():
            found = comparing.reasons(results, target)
        if not found:
            say(f"{target} is made; nothing would be computed.")
            continue
        say(f"{target} would be computed:")
        for name, missing, changed in found:
            say(f"  {name}: {missing}")
            for change in changed:
                say(f"    {change}")


def add_to(application: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (plan, status, watch, diff, why):
        application.command()(command)
    application.command(name="runs")(list_runs)
