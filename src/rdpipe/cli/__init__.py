"""The `rdpipe` command: questions about a study and its store."""

import itertools
import json
from collections.abc import Iterable
from contextlib import closing, nullcontext
from math import inf
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from rdpipe.cli import looking
from rdpipe.cli._common import (
    CONFIG,
    Configfile,
    Configs,
    app,
    console,
    one_sentence,
    read_plan,
    say,
)
from rdpipe.common.errors import RdpipeError
from rdpipe.store import cleaning, roots, verifying
from rdpipe.store.leases import Cleaner, announced
from rdpipe.store.objects import Store
from rdpipe.study import about, own_files, reference
from rdpipe.study.dependents import links_that_rest_on
from rdpipe.study.files import read_file
from rdpipe.study.plan import RESULTS, Plan
from rdpipe.study.settings.study import STAGES
from rdpipe.study.targets import check_overlays

HELD = {
    "needed": "objects that results lead to",
    "in use": "objects and states that jobs use",
    "other": "other objects",
    "state": "states of unfinished trainings",
    "damaged": "damaged objects",
    "tmp": "half-written objects",
}


@app.callback()
def refuse_other_code() -> None:
    """Ask about a study of rdpipe; `snakemake` runs it."""
    # an environment that two clones use has the code of one; snakemake reads that of the folder
    here, own = Path("src/rdpipe").resolve(), Path(__file__).parents[1].resolve()
    if here.is_dir() and here != own:
        typer.echo(
            f"`rdpipe` reads the code of {own}, but this folder has its own in {here}; call "
            "`make install` here and use its .venv/bin/rdpipe, or set PYTHONPATH=src.",
            err=True,
        )
        raise typer.Exit(code=1)


@app.command()
def check(overlays: Configs = None, configfile: Configfile = False) -> None:
    """Check a configuration, and show how many runs each of its targets needs.

    These are the targets of a plain `snakemake`. Images of your own are looked for, and counted.
    """
    plan = read_plan(overlays or [])
    study = plan.study
    with one_sentence():
        check_overlays({path: read_file(path) for path in [CONFIG, *(overlays or [])]})
    if faults := list(own_files.faults(study)):
        typer.echo("\n".join(faults), err=True)
        raise typer.Exit(code=1)
    on_it = f" with {', '.join(map(str, overlays))} on it" if overlays else ""
    say(f"Study {study.name}: {CONFIG}{on_it}. Its results lie in {RESULTS}/{study.name}/.")
    for name, dataset in study.datasets.items():
        if dataset.own_files and (n := own_files.count(dataset.own_files[0])) is not None:
            say(f"Dataset {name}: {n:,} pictures in {dataset.own_files[0]}.")
    table = Table("target", "experiments", "runs", "address", title="What each target needs")
    for name in study.targets:
        node = plan.figures.get(name) or plan.tables[name]
        runs, tables = plan.target_runs([name]), plan.target_tables([name])
        table.add_row(name, ", ".join(one.name for one in tables), f"{runs:,}", node.address)
    console.print(table)
    console.print(
        f"`snakemake` without a target trains {plan.target_runs(study.targets):,} different runs "
        f"of {study.training.iterations:,} iterations, each with one of {len(study.betas)} betas "
        f"and one of {len(study.seeds)} seeds."
    )
    if others := [name for name in plan.targets if name not in study.targets]:
        say(f"{len(others)} more targets can be asked for by name: {', '.join(others)}.")


@app.command()
def schema(
    overlay: Annotated[bool, typer.Option("--overlay", help="That of overlays instead.")] = False,
) -> None:
    """Print the JSON schema of the configuration."""
    print(json.dumps(reference.schema(overlay=overlay), indent=2, ensure_ascii=False))


@app.command()
def settings() -> None:
    """Print every setting with its type, default and meaning: docs/settings.md."""
    print(reference.page(), end="")


@app.command()
def verify(
    overlays: Configs = None,
    configfile: Configfile = False,
    part: Annotated[str, typer.Option(help="Read one part of the store, as in 3/10.")] = "1/1",
    percent: Annotated[
        float | None, typer.Option(help="Read so much, after what the last call read.")
    ] = None,
    newest: Annotated[
        str | None, typer.Option(help="Read what the store got in the last time, as in 1d or 6h.")
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Set damage aside.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Forget an interrupted call.")] = False,
) -> None:
    """Read the objects of the store and the links in results/, and tell what is wrong with them.

    A call that was interrupted goes on when it is called again. --repair sets damaged objects
    aside, and removes the links to them and to all that was made from them. The next call of
    snakemake computes the damaged results again, and takes the others from the store.

    The exit status is 0 if all is well, or a sum: 4 for damaged objects, 8 for objects that cannot
    be read and may be whole, 16 for links whose file is missing. It is 1 if the command fails.
    """
    plan = read_plan(overlays or [])
    store, results = Store(Path(plan.study.store)), Path(RESULTS)
    note = results / "verify.json"
    found: list[verifying.Finding] = []
    objects = 0
    with one_sentence(), Progress(console=console, transient=True) as bar:
        asked = verifying.question(part, percent, newest)
        if anew:
            note.unlink(missing_ok=True)
        _list(verifying.check_links(results, store, asked, note), found)
        _list(verifying.unfinished(store), found)
        reading = bar.add_task("reading objects", total=None)
        with closing(verifying.verify(store, asked, note)) as steps:
            for left, findings in steps:
                objects = objects or left
                bar.update(reading, total=objects, completed=objects - left)
                _list(findings, found)
        if repair:
            _repair(plan, store, found)
    table = Table("what", "number", title=f"{objects:,} objects read in {store.root}")
    for kind in verifying.STATUS:
        table.add_row(kind, f"{len({one.path for one in found if one.kind == kind}):,}")
    console.print(table)
    raise typer.Exit(code=sum(verifying.STATUS[kind] for kind in {one.kind for one in found}))


def _list(findings: Iterable[verifying.Finding], found: list[verifying.Finding]) -> None:
    """Print findings, a line each, and add them to those found before."""
    for one in findings:
        say(f"{one.kind:<10}  {one.path}: {one.reason}")
        found.append(one)


def _repair(plan: Plan, store: Store, found: list[verifying.Finding]) -> None:
    """Put right what was found, and let snakemake compute again what is lost."""
    for folder in sorted({one.path for one in found if verifying.may_be_repaired(one)}):
        say(f"{verifying.repair(store, folder):<10}  {folder}")
    links = verifying.check_links(Path(RESULTS), store)
    lost = {one.path for one in links if one.kind == "missing"}
    for link in lost | set(links_that_rest_on(plan, lost)):
        link.unlink(missing_ok=True)


@app.command()
def clean(
    overlays: Configs = None,
    configfile: Configfile = False,
    days: Annotated[float, typer.Option(help="Leave what is younger.", min=0)] = 30,
    objects: Annotated[bool, typer.Option("--objects", help="Other objects, too.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Do it.")] = False,
    forget: Annotated[
        Path | None, typer.Option(help="A results folder of a checkout that is gone for good.")
    ] = None,
) -> None:
    """Show what the store holds and what of it may go; with --remove, remove that.

    What may go are states of trainings that nobody went on with, damaged objects, and what killed
    jobs left half-written; with --objects also objects that no link leads to, in the results of
    any checkout that uses the store. No object goes while the results of a checkout cannot be
    read. What running jobs use stays in any case.
    """
    store = Store(Path(read_plan(overlays or []).study.store))
    at_work = announced(store) if remove else nullcontext(Cleaner(store))
    with one_sentence(), console.status("looking through the store"), at_work as cleaner:
        if forget:
            roots.forget(store, forget)
        contents = cleaning.contents(store, Path(RESULTS), cleaner)
        before = cleaner.now - 86400 * days
        going: list[Path] = []
        table = Table("what", "number", "GB", "may go", "GB", title=f"The store {store.root}")
        for kind, paths in contents.held.items():
            stays = kind in ("needed", "in use")
            stays |= kind == "other" and (not objects or bool(contents.unknown))
            old = [] if stays else [one for one in paths if cleaning.last_change(one) < before]
            cells = (
                f"{len(these):,} {cleaning.size(these) / 1e9:.3f}".split() for these in (paths, old)
            )
            table.add_row(HELD[kind], *itertools.chain(*cells))
            going += old
        console.print(table)
        for path in going if remove else ():
            try:
                if not cleaning.remove(store, path, cleaner):
                    say(f"{path} stays: a job uses it")
            except OSError as error:
                say(f"{path} stays: {error}")
        if objects and contents.unknown:
            listed = "; ".join(contents.unknown)
            raise RdpipeError(
                f"no objects may go, because they may be needed by other results: {listed}; mend "
                "that, or name results that are gone for good with --forget."
            )


@app.command()
def adopt(
    stage: Annotated[str, typer.Argument(help="The stage whose code was edited.")],
    overlays: Configs = None,
    configfile: Configfile = False,
    sample: Annotated[str, typer.Option(help="How many results to compute again, or all.")] = "3",
    tolerance: Annotated[
        float, typer.Option(help="Relative difference of numbers that a GPU may make.", min=0)
    ] = 0,
) -> None:
    """Keep the results of a stage after an edit of its code that changes none of them.

    Some results are computed again and compared with those of the older code: byte for byte, or
    with numbers within --tolerance if a GPU computes them. If one differs, nothing is adopted.
    Otherwise the next call of snakemake takes all results of the stage from the store. Their
    records say what was adopted, and how many results were compared.
    """
    from rdpipe.study.adoption import adopt_stage  # imports torch, which other commands spare

    plan = read_plan(overlays or [])
    with one_sentence(), console.status("comparing results"):
        if stage not in STAGES:
            raise RdpipeError(f"{stage} is no stage; the stages are {', '.join(STAGES)}.")
        if (sample != "all" and not sample.isdecimal()) or sample == "0":
            raise RdpipeError(f"--sample {sample} is neither a number above 0 nor `all`.")
        number = inf if sample == "all" else int(sample)
        done = adopt_stage(plan, stage, overlays or [], sample=number, tolerance=tolerance, say=say)
    say(f"{done.compared:,} results are equal, so {done.adopted:,} are adopted; call snakemake.")
    if done.damaged:
        say(f"{done.damaged:,} damaged results were not adopted.")


@app.command()
def report(overlays: Configs = None, configfile: Configfile = False) -> None:
    """Write the report of a study from the results that are there.

    `snakemake report` first computes all results. This command computes none: it also shows a study
    that is still running, or in which runs failed. Missing results are named in the report.
    """
    from rdpipe.report import write_report  # imports matplotlib, which other commands spare
    from rdpipe.results import Results

    plan = read_plan(overlays or [])
    path = Path(plan.own_file(about.REPORT))
    with one_sentence(), console.status("writing the report"):
        about.write(plan)
        write_report(Results.read(Path(RESULTS), plan.study.name), path)
    say(f"The report is in {path}.")


looking.add_to(app)
