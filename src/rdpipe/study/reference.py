"""What the models of the config say to editors and readers: JSON schemas, and docs/settings.md."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from rdpipe.study.settings._base import MOST, Model
from rdpipe.study.settings.archs import Prior
from rdpipe.study.settings.study import Study

Schema = Mapping[str, Any]

HEAD = """\
# Settings

<!-- Written by `make schema` from src/rdpipe/study/settings/. Edit the descriptions there. -->

This page lists every setting of the config. [config/README.md](../config/README.md) tells how to
write one. A setting without a default must be given; `config.yaml` gives all of these. A name
begins with a small letter, and then has small letters, digits, `-` and `_`. Whole numbers, but for
seeds, may be at most 2,147,483,647.

Settings marked ○ change no result: changing one computes nothing again.
"""


def schema(*, overlay: bool = False) -> dict[str, Any]:
    """The JSON schema of a whole configuration, or of an overlay, where every setting may lack."""
    whole = Study.model_json_schema()
    return _partial(whole) if overlay else whole


def _partial(part: Any) -> Any:
    """A schema without required settings. An entry may then fit several kinds, not only one."""
    if isinstance(part, list):
        return [_partial(item) for item in part]
    if not isinstance(part, dict):
        return part
    # below `properties` and `$defs` keys are names of settings, which may be called `required`
    names = {"properties", "$defs"}
    return {
        ("anyOf" if key == "oneOf" else key): (
            {name: _partial(inner) for name, inner in value.items()}
            if key in names
            else _partial(value)
        )
        for key, value in part.items()
        if key not in ("required", "discriminator")
    }


def page() -> str:
    """The text of docs/settings.md."""
    parts = [HEAD, "## The study\n", _table(Study, skip=_blocks(Study))]
    for block, models in _blocks(Study).items():
        text = Study.model_fields[block].description
        named = "" if get_origin(Study.model_fields[block].annotation) is None else ".<name>"
        parts += [f"## `{block}`\n", *([f"{text}\n"] if named else [])]
        inside = _parts(models[0])
        for model in models:
            kind = model.model_fields.get("kind")
            inner = ".prior" if model in models_in(Prior) else ""
            title = f"`{block}{named}{inner}`"
            if kind is not None:
                title += f" of kind `{get_args(kind.annotation)[0]}`"
            if kind is not None or model is not models[0]:
                if kind is None:
                    part = inside.get(model)
                    title = f"`{block}.{part}`" if part else "Entries of a list: `claims`"
                parts.append(f"### {title}\n")
            parts += [f"{_one_line(model.__doc__)}\n", _table(model, skip=_parts(model).values())]
    return "\n".join(parts)


def _blocks(model: type[Model]) -> dict[str, list[type[Model]]]:
    """The models behind each field that has any, as far down as there are."""
    found = {
        name: list(dict.fromkeys(models_in(field.annotation)))
        for name, field in model.model_fields.items()
    }
    return {name: models for name, models in found.items() if models}


def _parts(model: type[Model]) -> dict[type[Model], str]:
    """The blocks inside a block, which have tables of their own, with their names."""
    return {
        field.annotation: name
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Model)
    }


def models_in(annotation: Any) -> Iterator[type[Model]]:
    """All models that an annotation names, and those of their fields."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
    for argument in get_args(annotation):
        yield from models_in(argument)


def _table(model: type[Model], skip: Any = ()) -> str:
    """A table of a model's own settings."""
    described = model.model_json_schema()
    rows = ["| setting | value | default | meaning |", "|---|---|---|---|"]
    names = sorted(described["properties"], key=lambda name: name != "kind")  # the kind first
    for name in names:
        if name in skip:
            continue
        field = described["properties"][name]
        meaning = _one_line(field.get("description") or "The kind of this entry.")
        if example := _find("examples", field):
            meaning += f" Example: `{_yaml(example[0])}`."
        if measure := _find("unit", field):
            measure = f", {measure}"
        default = f"`{_yaml(field['default'])}`" if "default" in field else ""
        mark = " ○" if name in model.neutral() else ""
        value = f"{_kind(field, described.get('$defs', {}))}{measure or ''}"
        rows.append(f"| `{name}`{mark} | {value} | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def _find(key: str, field: Schema) -> Any:
    """What a field, or one of its alternatives, says under a key."""
    return next((one[key] for one in (field, *field.get("anyOf", ())) if key in one), None)


def _kind(field: Schema, known: Schema) -> str:
    """The type of a setting in words."""
    if "anyOf" in field:
        return " or ".join(_kind(one, known) for one in field["anyOf"])
    if "$ref" in field or "oneOf" in field:
        return "settings, as below"
    if "const" in field or "enum" in field:
        values = field.get("enum", [field.get("const")])
        return ", ".join(f"`{_yaml(value)}`" for value in values)
    match field["type"]:
        case "boolean":
            return "`true` or `false`"
        case "null":
            return "`null`"
        case "integer" | "number" as kind:
            return ("whole number" if kind == "integer" else "number") + _bounds(field)
        case "string":
            return "a name" if "pattern" in field else "a path"
        case "array" if "prefixItems" in field:
            return f"[{', '.join(_kind(one, known) for one in field['prefixItems'])}]"
        case "array":
            return f"list of: {_kind(field['items'], known)}"
    names = field["propertyNames"]
    if "enum" in names:
        inner = _kind(field["additionalProperties"], known)
        return f"for each of {_kind(names, known)}: {inner}"
    return "entries by name"


def _bounds(field: Schema) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    told = {key: limit for key, limit in field.items() if key in signs and limit != MOST}
    limits = [f"{signs[key]} {_power(told[key])}" for key in signs if key in told]
    return "".join(f" {limit}" if not i else f" and {limit}" for i, limit in enumerate(limits))


def _power(limit: float) -> str:
    return "2^63" if limit == 2**63 else f"{limit:g}"


def _yaml(value: Any) -> str:
    """A value on one line, as YAML has it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_yaml(inner)}' for key, inner in value.items())}}}"
    return value if isinstance(value, str) else json.dumps(value)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
