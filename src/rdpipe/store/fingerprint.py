"""Code fingerprints: what a stage's result owes to the source text that computes it.

A fingerprint covers the module of the stage and all that it imports from this package, directly
or not, with comments, docstrings and blank lines cut out: an edit that cannot change a result
does not change it either. The cut is made in the source text by position, not on `ast.dump`,
which differs between Python versions.
"""

import ast
import io
import tokenize
from pathlib import Path

from rdpipe.store.digests import digest

PACKAGE = Path(__file__).resolve().parents[1]


def fingerprint(module: str) -> str:
    """Hex sha256 of the code that `module` (such as "rdpipe.training.train") runs in this package.

    It is read from disk at each call, so that an edit made while a study runs is noticed.
    """
    return digest({name: code_only(_file(name).read_text("utf-8")) for name in closure(module)})


def closure(module: str) -> list[str]:
    """Sorted names of the modules of this package that importing `module` may run."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(name)
    return sorted(found)


def title(module: str) -> str:
    """What a module of this package says it is, in its first line, read without importing it."""
    docstring = ast.get_docstring(ast.parse(_file(module).read_text("utf-8"))) or ""
    return docstring.partition("\n")[0]


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
    names = [module.rpartition(".")[0]]
    for node in ast.walk(ast.parse(_file(module).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parents = parts[: len(parts) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == PACKAGE.name and _exists(name)]


def _file(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _exists(module: str) -> bool:
    return _file(module).is_file()
