"""The `rdpipe` command: questions about a study and its store."""

import itertools
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from rdpipe.common.errors import RdpipeError
from rdpipe.store import cleaning
from rdpipe.store.objects import Store
from rdpipe.study import own_files, reference
from rdpipe.study.files import read_file
from rdpipe.study.plan import RESULTS, Plan
from rdpipe.study.reading import merge, read_study

app = typer.Typer(
    help="Ask about a study of rdpipe; `snakemake` runs it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console()
Configs = Annotated[
    list[Path] | None, typer.Argument(help="Overlays on config.yaml, in order.", show_default=False)
]
# Overlays are positional, so that their order is kept. The option says nothing: it is there for
# everyone who types it, as in a call of snakemake.
Configfile = Annotated[
    bool, typer.Option("--configfile", "--configfiles", help="May stand before overlays.")
]
HELD = {
    "needed": "objects that results here lead to",
    "other": "other objects",
    "state": "states of unfinished trainings",
    "damaged": "damaged objects",
    "tmp": "half-written objects",
}


@app.command()
def check(overlays: Configs = None, configfile: Configfile = False) -> None:
    """Check a configuration, and show how many runs each target needs.

    It also looks for images of your own, and counts them.
    """
    plan = _plan(overlays or [])
    study = plan.study
    table = Table("target", "experiments", "runs", "address", title="What each target needs")
    for name in plan.targets:
        node = plan.figures.get(name) or plan.tables[name]
        runs, tables = plan.target_runs([name]), plan.target_tables([name])
        table.add_row(name, ", ".join(one.name for one in tables), f"{runs:,}", node.address)
    console.print(table)
    console.print(
        f"`snakemake` without a target trains {plan.target_runs(study.targets):,} different runs "
        f"of {study.training.iterations:,} iterations, each with one of {len(study.betas)} betas "
        f"and one of {len(study.seeds)} seeds."
    )
    if faults := list(own_files.faults(study)):
        typer.echo("\n".join(faults), err=True)
        raise typer.Exit(code=1)


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
def verify(overlays: Configs = None, configfile: Configfile = False) -> None:
    """Read every object of the store, and set aside those that are damaged."""
    store = Store(Path(_plan(overlays or []).study.store))
    damaged, keys = 0, [folder.name for folder in sorted(store.root.glob("objects/??/*"))]
    for key in keys:
        try:
            fault = "" if store.find(key) else f"{key} was damaged and is set aside."
        except RdpipeError as error:
            fault = str(error)
        if fault:
            console.print(fault)
            damaged += 1
    console.print(f"{len(keys) - damaged:,} objects are whole, {damaged:,} were damaged.")
    raise typer.Exit(code=1 if damaged else 0)


@app.command()
def clean(
    overlays: Configs = None,
    configfile: Configfile = False,
    days: Annotated[float, typer.Option(help="Leave what is younger.", min=0)] = 30,
    objects: Annotated[bool, typer.Option("--objects", help="Other objects, too.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Do it.")] = False,
) -> None:
    """Show what the store holds and what of it may go; with --remove, remove that.

    What may go are states of trainings that nobody went on with, damaged objects, and what killed
    jobs left half-written; with --objects also those that no link in results/ leads to, though in
    another checkout one may.
    """
    store = Store(Path(_plan(overlays or []).study.store))
    before = time.time() - 86400 * days
    going: list[Path] = []
    table = Table("what", "number", "GB", "may go", "GB", title=f"The store {store.root}")
    for kind, paths in cleaning.contents(store, Path(RESULTS)).items():
        stays = kind == "needed" or (kind == "other" and not objects)
        old = [] if stays else [path for path in paths if cleaning.last_change(path) < before]
        cells = (
            f"{len(these):,} {cleaning.size(these) / 1e9:.3f}".split() for these in (paths, old)
        )
        table.add_row(HELD[kind], *itertools.chain(*cells))
        going += old
    console.print(table)
    for path in going if remove else ():
        try:
            cleaning.remove(store, path)
        except (OSError, RdpipeError) as error:
            console.print(f"{path} stays: {error}")


def _plan(overlays: list[Path]) -> Plan:
    """The plan of config.yaml and overlays; a study that cannot be read ends the command."""
    config: dict[str, Any] = {}
    try:
        for path in [Path("config.yaml"), *overlays]:
            merge(config, read_file(path))
        study = read_study(config)
        return Plan(study, own_files.contents(study, Path(RESULTS) / "sources.json"))
    except RdpipeError as error:
        typer.echo(str(error), err=True)
    raise typer.Exit(code=1)
