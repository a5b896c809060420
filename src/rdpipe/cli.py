"""The `rdpipe` command: what one may ask of a study beside running it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from rdpipe.config import merge, read_study
from rdpipe.errors import RdpipeError
from rdpipe.plan import Plan
from rdpipe.store import Store
from rdpipe.study import Study

app = typer.Typer(
    help="Ask about a study of rdpipe; `snakemake` runs it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console()
Configs = Annotated[list[Path] | None, typer.Argument(help="Overlays on config.yaml, in order.")]


@app.command()
def check(overlays: Configs = None) -> None:
    """Check a configuration and show what the study comprises."""
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


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration."""
    print(json.dumps(Study.model_json_schema(), indent=2, ensure_ascii=False))


@app.command()
def verify(overlays: Configs = None) -> None:
    """Read every object of the store, and set aside those that are damaged."""
    store = Store(Path(_plan(overlays or []).study.store).expanduser())
    keys = [folder.name for folder in sorted(store.root.glob(f"objects/??/{'?' * 64}"))]
    damaged = [key for key in keys if store.find(key) is None]
    for key in damaged:
        console.print(f"{key} was damaged and is set aside.")
    console.print(f"{len(keys) - len(damaged):,} objects are whole, {len(damaged):,} were damaged.")
    raise typer.Exit(code=1 if damaged else 0)


def _plan(overlays: list[Path]) -> Plan:
    """The plan of config.yaml and overlays; a study that cannot be read ends the command."""
    config: dict[str, Any] = {}
    try:
        for path in [Path("config.yaml"), *overlays]:
            overlay = yaml.safe_load(path.read_text("utf-8"))
            if not isinstance(overlay, dict):
                raise RdpipeError(f"{path}: this is no mapping of settings; see config.yaml.")
            merge(config, overlay)
        return Plan(read_study(config))
    except FileNotFoundError as error:
        typer.echo(
            f"{error.filename}: there is no such file; call this where Snakefile lies.", err=True
        )
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        typer.echo(f"{path}: this is not YAML: {error}", err=True)
    except RdpipeError as error:
        typer.echo(str(error), err=True)
    raise typer.Exit(code=1)
