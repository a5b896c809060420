"""Figures of the paper, one module each: `draw` writes its PDF, its PNG and its numbers as CSV.

A figure of an experiment is called with the paths of its tables as `inputs` (see `rdpipe.tables`):
`summary`, `runs`, `neighbours` and `reconstructions`; with its `splits`, of which each has a `name`
and its `dataset` as figures call it; and with its `archs`, of which each has a `name`, a `label`,
its `kind`, its number of `layers`, its `variant`: "" or what sets it apart from the plain
architecture ("early stopping", "no marginal KL", "no MI"), and its `base`: the name of that plain
architecture, which may be itself, or None if the experiment does not have it.
"""

import ast
from importlib.util import find_spec
from pathlib import Path


def title(module: str) -> str:
    """What a figure's module says in its first line, read without importing what it draws with."""
    spec = find_spec(module)
    assert spec and spec.origin, f"there is no module {module}"
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text("utf-8"))) or ""
    return docstring.partition("\n")[0]
