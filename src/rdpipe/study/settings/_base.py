"""What the models of all blocks of the config share."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]
Axis = Literal["beta", "seed"]


def _expanded(path: str) -> str:
    return str(Path(os.path.expandvars(path)).expanduser())


Folder = Annotated[str, Field(min_length=1), AfterValidator(_expanded)]


class Model(BaseModel):
    """A block of the config: unknown keys are refused, and nothing changes after reading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )
