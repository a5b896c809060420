"""Types, marks and the base class that all blocks of the config share."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

Axis = Literal["beta", "seed"]
VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)  # as `os.path.expandvars` finds them


def sentence(text: str) -> PydanticCustomError:
    """A fault in our own words, for a validator of one value to raise."""
    return PydanticCustomError("sentence", "{text}", {"text": text})


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise sentence(f"input should be a valid number, but it is {yaml_boolean(value)}.")
    return value


def yaml_boolean(value: bool) -> str:
    """A boolean, and the words that YAML reads as it."""
    return "true (YAML reads yes and on so)" if value else "false (YAML reads no and off so)"


def _expanded(path: str) -> str:
    for name in (one or other for one, other in VARIABLE.findall(path)):
        if name not in os.environ:
            raise sentence(f"{path} names the variable {name}, which is not set; export it.")
    try:
        expanded = str(Path(os.path.expandvars(path)).expanduser())
    except RuntimeError:
        raise sentence(f"{path} names a user without a home; write the path out.") from None
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in expanded):
        raise sentence(
            f"{path!r} has a line break or another control character, which no path here may have; "
            "mend it."
        )
    return expanded


# YAML gives numbers, so no other type is taken for one: yes is not 1. The strings that are taken
# for floats are those like 1e-3, which YAML 1.1 does not read as numbers.
# NUMBER stands after the bounds of a float, or the JSON schema would lack these.
# No array has a longer axis than MOST here, and no loop takes more turns.
MOST = 2**31 - 1
Count = Annotated[int, Field(strict=True, gt=0, le=MOST)]
NUMBER = BeforeValidator(_no_boolean)
# Tables hold seeds in 64 bits with a sign.
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
Location = Annotated[str, Field(min_length=1), AfterValidator(_expanded)]


@dataclass(frozen=True)
class _Mark:
    name: str


# The mark of a setting that changes no result, such as a number of threads. It is part of no
# address and no store key.
NEUTRAL = _Mark("neutral")


def unit(name: str) -> Any:
    """Mark of a setting: the unit of its values, which docs/settings.md shows."""
    return Field(json_schema_extra={"unit": name})


class Model(BaseModel):
    """A block of the config: unknown keys are refused, and nothing changes after reading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    def result_settings(self, without: Iterable[str] = ()) -> dict[str, Any]:
        """All settings that can change a result, as JSON values: those without the NEUTRAL mark.

        `without` names settings that an address covers in another way.
        """
        return self.model_dump(mode="json", exclude={*self.neutral(), *without})

    @classmethod
    def neutral(cls) -> set[str]:
        """Names of the settings that change no result."""
        return {name for name, field in cls.model_fields.items() if NEUTRAL in field.metadata}

    def faults(self) -> Iterator[tuple[str, str]]:
        """Faults that lie between the settings of this block: the key and one sentence for each."""
        yield from ()


def repeated(key: str, values: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """One fault for each value that a list gives more than once."""
    for value in dict.fromkeys(value for value in values if values.count(value) > 1):
        yield key, f"{value} is given twice; remove one."
