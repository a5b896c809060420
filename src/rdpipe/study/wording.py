"""Faults of the config in plain words: one sentence that begins with the path of the key."""

from collections.abc import Iterable
from typing import Annotated, Any, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from rdpipe.common import names
from rdpipe.common.own_files import printable
from rdpipe.study.settings._base import yaml_boolean
from rdpipe.study.settings.archs import Arch, Prior
from rdpipe.study.settings.datasets import Dataset
from rdpipe.study.settings.splits import Split
from rdpipe.study.settings.study import Study

KINDS = {"archs": Arch, "datasets": Dataset, "splits": Split}  # blocks whose entries have a kind
LONGEST = 200  # characters of a value that a sentence shows
MEANT = {  # plain words for findings of pydantic that name types of Python
    "dict_type": "give settings, as in `name: value`",
    "model_type": "give settings, as in `name: value`",
    "model_attributes_type": "give settings, as in `name: value`",
    "tuple_type": "give a list, as in [a, b]",
    "too_short": "give at least one item",
    "int_type": "give a whole number",
    "string_type": "give a text, in quotes if YAML reads it as something else",
}


def sentence(detail: ErrorDetails) -> str:
    """One sentence for one of pydantic's findings."""
    loc, given = detail["loc"], detail["input"]
    if loc[-1] == "[key]" and detail["type"] != "literal_error":
        return f"{_path(loc[:-2])}: {_no_name(given)}"
    path = _path(loc[:-2] if loc[-1] == "[key]" else loc)
    match detail["type"]:
        case "sentence":
            return f"{path}: {detail['msg']}"
        case "extra_forbidden":
            return f"{path}: {_no_setting(loc)}"
        case "union_tag_not_found":
            return f"{path}.kind: this setting is missing; add it."
        case "union_tag_invalid":
            known = [tag.strip("' ") for tag in detail["ctx"]["expected_tags"].split(",")]
            return next(
                iter(unknown(f"{path}.kind", [str(given["kind"])], known, "kind", listed=False))
            )
        case "missing":
            return f"{path}: this setting is missing; add it."
        case "string_pattern_mismatch":
            return f"{path}: {_no_name(given)}"
    message = MEANT.get(detail["type"], detail["msg"][0].lower() + detail["msg"][1:])
    return f"{path}: {message}, but it is {_shown(given)}."


def _path(loc: tuple[int | str, ...]) -> str:
    """The path of a key as a reader of the file would write it."""
    path = ""
    for depth, key in enumerate(loc):
        if depth in _tags(loc):
            continue  # a kind, by which pydantic chooses the model
        path += f"[{key}]" if isinstance(key, int) else f".{printable(key)}"
    return path.removeprefix(".")


def _tags(loc: tuple[int | str, ...]) -> list[int]:
    """The depths at which a location names the kind of an entry, and of its prior."""
    if loc[0] not in KINDS:
        return []
    return [2, 4] if loc[0] == "archs" and loc[3:4] == ("prior",) else [2]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return yaml_boolean(value)
    if value is None:
        return "empty"
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _no_name(key: Any) -> str:
    if isinstance(key, bool):
        return f"a name here is {yaml_boolean(key)}; put it in quotes, or choose another."
    return (
        f"{key!r} is no possible name here; a name begins with a small letter, and then has small "
        "letters, digits, - and _ only."
    )


def _no_setting(loc: tuple[int | str, ...]) -> str:
    """Why a setting is unknown: its spelling, or that it belongs to another kind."""
    tags = _tags(loc)
    if tags and len(loc) == tags[-1] + 2:
        entries = KINDS[str(loc[0])] if len(tags) == 1 else Prior
        others = [kind.model_fields for kind in get_args(get_args(entries)[0])]
        if any(loc[-1] in fields for fields in others):
            return (
                f"kind {loc[tags[-1]]} has no such setting; remove it, or, if it is from a file "
                "below an overlay that changes the kind, give the overlay's entry a name of its "
                "own."
            )
    key, known = str(loc[-1]), _settings(loc[:-1])
    if len(loc) == 1:
        for block, field in Study.model_fields.items():
            if isinstance(field.annotation, type) and key in _fields(field.annotation):
                return f"there is no such setting here; move it into the block {block}."
    return names.unknown("setting", printable(key), known)


def _settings(loc: tuple[int | str, ...]) -> list[str]:
    """The settings that the block at a location has. The location names kinds, as pydantic does."""
    here: Any = Study
    for key in loc:
        if fields := _fields(here):
            here = fields[str(key)].annotation
        elif get_origin(here) is dict:
            here = get_args(here)[1]
        elif get_origin(here) is tuple:
            here = get_args(here)[0]
        else:  # one of several kinds
            here = next(kind for kind in get_args(here) if key in _kinds(kind))
        while get_origin(here) is Annotated or type(None) in get_args(here):
            here = next(one for one in get_args(here) if one is not type(None))
    return [*_fields(here)]


def _fields(block: Any) -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = getattr(block, "model_fields", {})
    return found


def _kinds(block: Any) -> tuple[Any, ...]:
    """The values of `kind` that choose a block."""
    return get_args(_fields(block)["kind"].annotation)


def unknown(
    path: str, given: Iterable[str], known: Iterable[str], what: str, *, listed: bool = True
) -> Iterable[str]:
    """One sentence for each given name that is not among the known ones.

    `what` says what the names are. If they are `listed`, the path gets their index.
    """
    known = list(known)
    for index, name in enumerate(given):
        if name not in known:
            yield f"{path}{f'[{index}]' if listed else ''}: {names.unknown(what, name, known)}"
