"""A plugin of Snakemake that finds a target behind an option that takes a list.

`snakemake --resources gpu=4 fig3` gives `fig3` to `--resources`, and Snakemake ends with a
traceback before it reads the Snakefile. Snakemake imports its plugins before it reads its command
line, and no other code of ours runs so early. So this module looks at the command line when it is
imported. It says something only where Snakemake would fail.

As a logger (`--logger rdpipe`) it is the plugin `rich`. It imports nothing of the package `rdpipe`:
each checkout imports its own.
"""

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from snakemake_logger_plugin_rich import LogHandler

__all__ = ["LogHandler"]

TARGET = re.compile(r"[A-Za-z][\w./-]*")
QUIET = ("all", "host", "progress", "reason", "rules")


def _is_pair(item: str) -> bool:
    return "=" in item or item.startswith("base64//")  # in calls that Snakemake makes itself


def _is_file(item: str) -> bool:
    return Path(item).suffix in (".yaml", ".yml", ".json") or Path(item).exists()


# Options that take a list -> whether an item belongs to the list, and what the items are.
LISTS: dict[tuple[str, ...], tuple[Callable[[str], bool], str]] = {
    ("--resources", "--res"): (_is_pair, "items such as gpu=4"),
    ("--default-resources", "--default-res"): (_is_pair, "items such as mem_mb=4000"),
    ("--config", "-C"): (_is_pair, "items such as 'seeds=[0]'"),
    ("--set-threads",): (_is_pair, "items such as training=2"),
    ("--set-resources",): (_is_pair, "items such as training:mem_mb=4000"),
    ("--configfile", "--configfiles"): (_is_file, "YAML files"),
    ("--quiet", "-q"): (QUIET.__contains__, f"the words {', '.join(QUIET)}"),
}


def fault(arguments: Sequence[str]) -> str:
    """What is wrong with the order of Snakemake's arguments; the empty string if nothing is."""
    before_targets = arguments[: arguments.index("--")] if "--" in arguments else arguments
    option = ""
    for position, argument in enumerate(before_targets):
        if argument.startswith("-"):
            option = argument
            continue
        for names, (belongs, items) in LISTS.items():
            if option in names and not belongs(argument) and TARGET.fullmatch(argument):
                rest = [*arguments[:position], *arguments[position + 1 :]]
                call = shlex.join(["snakemake", argument, *rest])
                return (
                    f"{option} takes a list of {items}, and {argument!r} is none of these. If it "
                    f"is a target, write it first: {call}"
                )
    return ""


if sys.argv[0].endswith(("/snakemake", "/snakemake/__main__.py")) and (said := fault(sys.argv[1:])):
    sys.exit(said)
