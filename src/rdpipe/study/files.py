"""Files of the config: read as YAML, but no setting may be given twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from rdpipe.common.errors import RdpipeError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the former is ten times as fast


def read_file(path: Path) -> dict[str, Any]:
    """The settings of a YAML file.

    Raises
    ------
    RdpipeError
        If the file is missing, is not YAML, has no settings, or gives one setting twice.
    """
    refuse_repeated_keys(path)
    settings = yaml.load(_text(path), LOADER)
    if not isinstance(settings, dict):
        raise RdpipeError(f"{path}: this is no mapping of settings; see config.yaml.")
    return settings


def refuse_repeated_keys(path: Path) -> None:
    """Refuse a YAML file that gives a setting twice, of which YAML silently takes the last.

    Raises
    ------
    RdpipeError
        With one sentence for each such setting; or if the file is missing or is not YAML.
    """
    try:
        faults = list(_repeated_keys(yaml.compose(_text(path), LOADER)))
    except yaml.YAMLError as error:
        raise RdpipeError(f"{path}: this is not YAML: {error}") from None
    if faults:
        raise RdpipeError("\n".join(f"{path}: {fault}" for fault in faults))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise RdpipeError(
            f"{path}: there is no such file; call this in the folder of the Snakefile."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RdpipeError(f"{path}: this is not readable text: {error}") from None


def _repeated_keys(node: yaml.Node | None, above: str = "") -> Iterator[str]:
    """One sentence for each key that a mapping gives twice."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _repeated_keys(item, f"{above}[{index}]")
    elif isinstance(node, yaml.MappingNode):
        lines: dict[Any, int] = {}
        for key, value in node.value:
            path, line = f"{above}.{key.value}".removeprefix("."), key.start_mark.line + 1
            if str(key.value) in lines:
                yield (
                    f"{path} is given in line {lines[str(key.value)]} and again in line {line}; "
                    "remove one."
                )
            lines[str(key.value)] = line
            yield from _repeated_keys(value, path)
