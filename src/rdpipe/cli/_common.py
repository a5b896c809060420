"""What all commands share: the application, its console, the study they ask about, and faults."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from rdpipe.common.errors import RdpipeError
from rdpipe.study import own_files
from rdpipe.study.files import read_file
from rdpipe.study.plan import RESULTS, Plan
from rdpipe.study.reading import merge, read_study

app = typer.Typer(
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

CONFIG = Path("config.yaml")


@contextmanager
def one_sentence() -> Iterator[None]:
    """End the command with one sentence if something fails that the user can mend."""
    try:
        yield
    except (OSError, RdpipeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(code=1) from None


def say(line: str) -> None:
    """Print a line as it is, however long."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def read_plan(overlays: Sequence[Path]) -> Plan:
    """The plan of config.yaml and overlays; a study that cannot be read ends the command."""
    config: dict[str, Any] = {}
    try:
        for path in [CONFIG, *overlays]:
            merge(config, read_file(path))
        study = read_study(config)
        return Plan(study, own_files.contents(study, Path(RESULTS) / "sources.json"))
    except RdpipeError as error:
        typer.echo(str(error), err=True)
    raise typer.Exit(code=1)
