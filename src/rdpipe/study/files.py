"""Files of the config: read as YAML, but no setting may be given twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from rdpipe.common.errors import RdpipeError
from rdpipe.common.own_files import printable

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the former is ten times as fast
DEEPEST = 50  # collections inside each other; settings have six
MOST = 1_000_000  # values of one file, each repetition by an alias counted; the paper's has 600


def read_file(path: Path) -> dict[str, Any]:
    """The settings of a YAML file.

    Raises
    ------
    RdpipeError
        If the file is missing, is not YAML, has no settings, or gives one setting twice.
    """
    refuse_repeated_keys(path)
    try:
        settings = yaml.load(_text(path), LOADER)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise _no_yaml(path, error) from None
    if not isinstance(settings, dict):
        raise RdpipeError(f"{path}: this is no mapping of settings; see config.yaml.")
    return settings


def refuse_repeated_keys(path: Path) -> None:
    """Refuse a YAML file that gives a setting twice, of which YAML silently takes the last.

    Files whose aliases (`*name`) lead to themselves, or stand for very many values, are refused as
    well.

    Raises
    ------
    RdpipeError
        With one sentence for each such setting; or if the file is missing or is not YAML.
    """
    try:
        _check_depth(path)
        root = yaml.compose(_text(path), LOADER)
        _count(root, {})
        faults = list(_repeated_keys(root, set()))
    except (yaml.YAMLError, ValueError) as error:
        raise _no_yaml(path, error) from None
    if faults:
        raise RdpipeError("\n".join(f"{path}: {fault}" for fault in faults))


def _no_yaml(path: Path, error: Exception) -> RdpipeError:
    return RdpipeError(f"{path}: this is not YAML: {' '.join(printable(str(error)).split())}.")


def _check_depth(path: Path) -> None:
    """Refuse deep nesting, which overflows the stack of the parser's C code; events are flat."""
    depth = 0
    for event in yaml.parse(_text(path), LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise RdpipeError(
            f"{path}: there is no such file; call this in the folder of the Snakefile."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RdpipeError(f"{path}: this is not readable text: {error}.") from None


def _children(node: yaml.Node | None) -> list[yaml.Node]:
    """The keys and values of a mapping, or the items of a sequence."""
    if isinstance(node, yaml.MappingNode):
        return [inner for pair in node.value for inner in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _count(node: yaml.Node | None, known: dict[int, int]) -> int:
    """How many values a node stands for; each node is visited once, however often it is used."""
    if known.setdefault(id(node), 0):
        return known[id(node)]
    total = 1
    for inner in _children(node):
        if known.get(id(inner)) == 0:
            raise ValueError("an alias leads to itself")
        total += _count(inner, known)
    if total > MOST:
        raise ValueError(f"its aliases stand for more than {MOST:,} values")
    known[id(node)] = total
    return total


def _repeated_keys(node: yaml.Node | None, seen: set[int], above: str = "") -> Iterator[str]:
    """One sentence for each key that a mapping gives twice."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _repeated_keys(item, seen, f"{above}[{index}]")
    elif isinstance(node, yaml.MappingNode):
        lines: dict[Any, int] = {}
        for key, value in node.value:
            name = printable(str(key.value)[:80])
            path, line = f"{above}.{name}".removeprefix("."), key.start_mark.line + 1
            if str(key.value) in lines:
                yield (
                    f"{path} is given in line {lines[str(key.value)]} and again in line {line}; "
                    "remove one."
                )
            lines[str(key.value)] = line
            yield from _repeated_keys(value, seen, path)
