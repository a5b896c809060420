"""Code fingerprints: which source text a result depends on.

A fingerprint covers the modules that compute a result, and all that they import from this package,
directly or not. Comments, docstrings and blank lines are cut out, so that an edit of them changes
no fingerprint. The cut is made in the source text by position, not on `ast.dump`, which differs
between Python versions. Modules of EXEMPT are left out, because they cannot change a number.
"""

import ast
import io
import tokenize
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from rdpipe.store.digests import digest

PACKAGE = Path(__file__).resolve().parents[1]

EXEMPT = {
    "rdpipe.common.atomic": "It renames a file that others have written.",
    "rdpipe.common.devices": "It reserves a device. Records say which; no store key does.",
    "rdpipe.common.errors": "It names exceptions; a job that raises one stores nothing.",
    "rdpipe.common.progress": "It tells counts that others give, and returns nothing.",
    "rdpipe.training.state": "It reads back the tensors that it wrote. A test holds a training "
    "that goes on from them equal, to the last bit, to one that was never interrupted. It also "
    "lets `rdpipe watch` look at D and R.",
}
"""Modules that no fingerprint covers, each with the reason why it cannot change a number.

A test pins this list, what these modules have, and what covered modules take from them.
"""


def fingerprint(modules: Sequence[str]) -> str:
    """Hex sha256 of the code that some modules (such as "rdpipe.splits") run in this package.

    The code is read from disk at each call, so that an edit made while a study runs is noticed.
    """
    texts = {name: code_only(_source(name)) for name in closure(modules)}
    # The package's own module only opens finished results, for people. No stage calls it.
    return digest(texts | {PACKAGE.name: ""})


def parts(modules: Sequence[str]) -> dict[str, str]:
    """Twelve hex digits for each module that a fingerprint covers, for records."""
    return {name: digest(code_only(_source(name)))[:12] for name in closure(modules)}


def closure(modules: Sequence[str]) -> list[str]:
    """Sorted names of the modules of this package that importing `modules` may run, but EXEMPT."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found and name not in EXEMPT:
            found.add(name)
            waiting += [] if name == PACKAGE.name else _imports(name)
    return sorted(found)


def docstring(module: str) -> str:
    """What a module of this package says of itself, read without importing it."""
    return ast.get_docstring(ast.parse(_source(module))) or ""


@cache  # many closures share their modules, and taking a text apart is slow
def code_only(source: str) -> str:
    """The source text without comments, docstrings, blank lines and trailing spaces."""
    # bytes, because ast counts columns in UTF-8 bytes, and only \n and \r end a line there
    lines = source.encode().splitlines()
    inside_string: set[int] = set()
    string_start = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind, row = tokenize.tok_name[token.type], token.start[0]
        if kind == "COMMENT":
            lines[row - 1] = lines[row - 1].decode()[: token.start[1]].encode()
        elif kind == "STRING":
            inside_string.update(range(row, token.end[0]))
        elif kind == "FSTRING_START":  # Python 3.12 and later split f-strings into tokens
            string_start = row
        elif kind == "FSTRING_END":
            inside_string.update(range(string_start, token.end[0]))
    for node, instead in _docstrings(ast.parse(source)):
        first, last = node.lineno - 1, (node.end_lineno or 0) - 1
        head, tail = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        lines[first : last + 1] = [head + instead + tail, *[b""] * (last - first)]
        inside_string -= set(range(first + 1, last + 2))
    kept = (
        line if row in inside_string else line.rstrip() for row, line in enumerate(lines, start=1)
    )
    return "\n".join(
        line.decode() for row, line in enumerate(kept, start=1) if line or row in inside_string
    )


def _docstrings(tree: ast.Module) -> list[tuple[ast.expr, bytes]]:
    """Docstrings, each with what is to stand for it: a body needs at least one statement."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (first.value, b"..." if len(node.body) == 1 and node is not tree else b"")
        for node in ast.walk(tree)
        if isinstance(node, owners)
        for first in node.body[:1]
        if isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ]


def _imports(module: str) -> list[str]:
    """Modules of this package that the text of `module` imports, its parent packages included."""
    package = module if _file(module).name == "__init__.py" else module.rpartition(".")[0]
    names = [module.rpartition(".")[0], *_imported_names(_source(module), package)]
    return [name for name in names if name.split(".")[0] == PACKAGE.name and _file(name).is_file()]


@cache
def _imported_names(source: str, package: str) -> tuple[str, ...]:
    """Names imported anywhere in the text of a module of `package`; some are those of modules."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parents = parts[: len(parts) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _source(module: str) -> str:
    return _file(module).read_text("utf-8")


def _file(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
