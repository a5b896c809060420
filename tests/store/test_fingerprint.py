"""What a code fingerprint sees, and which modules each stage rests on."""

import ast

import pytest

from rdpipe.store import fingerprint as fp
from rdpipe.store.fingerprint import closure, code_only, fingerprint

SOURCE = '''"""Module docstring
over two lines."""

import math  # a comment


class Circle:
    """A docstring."""

    def area(self, r: float) -> float:
        """Area of a β-circle."""
        text = """a # no comment

        line"""  # β comment
        return math.pi * r**2  # trailing


def nothing() -> None:
    """Only a docstring."""
'''


@pytest.mark.parametrize(
    "edit",
    [
        lambda s: s.replace("# a comment", "# another one"),
        lambda s: s.replace("  # trailing", ""),
        lambda s: s.replace("Area of a β-circle.", "Nothing\n        to see."),
        lambda s: s.replace("\n\n\nclass", "\n\n# above the class\n\n\n\nclass"),
        lambda s: s.replace("Module docstring\nover two lines.", "Short."),
        lambda s: s.replace('    """A docstring."""\n\n', ""),
    ],
)
def test_comments_docstrings_and_blank_lines_do_not_count(edit):
    assert edit(SOURCE) != SOURCE
    assert code_only(edit(SOURCE)) == code_only(SOURCE)


@pytest.mark.parametrize(
    "edit",
    [
        lambda s: s.replace("r**2", "r**3"),
        lambda s: s.replace("a # no comment", "a # changed"),
        lambda s: s.replace("no comment\n\n", "no comment\n\n\n"),
        lambda s: s.replace("import math", "import math, os"),
        lambda s: s.replace("        return", "    return"),
    ],
)
def test_code_and_strings_count(edit):
    assert edit(SOURCE) != SOURCE
    assert code_only(edit(SOURCE)) != code_only(SOURCE)


@pytest.mark.parametrize("path", sorted(fp.PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_what_is_left_of_a_module_is_its_code(path):
    source = path.read_text("utf-8")
    assert _bare(source) == _bare(code_only(source))


def _bare(source):
    """The syntax tree without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Module(body=[ast.Expr(ast.Constant(str())), *rest]):
                node.body = rest
            case ast.ClassDef() | ast.FunctionDef() if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Expr(ast.Constant(...))]
    return ast.dump(tree)


# An edit in a module of a closure computes the stage again. Add to these sets with care.
DATASET = "common common.files common.entropy common.progress datasets datasets._common "
PUBLIC = DATASET + "common.errors datasets._downloads datasets._size datasets._sides "
NETWORKS = "vae vae.networks vae.models vae.streams vae.densities common.precision "
COMMON = "common common.files common.errors common.devices common.progress "
CLOSURES = {
    "datasets.tetrominoes": DATASET + "datasets._tetromino",
    "datasets.mnist": PUBLIC + "datasets._gzipped datasets._idx",
    "datasets.fashion_mnist": PUBLIC + "datasets._gzipped datasets._idx",
    "datasets.smallnorb": PUBLIC + "datasets._gzipped",
    "datasets.shapes3d": PUBLIC,
    "datasets.images": DATASET + "common.errors common.own_files common.atomic",
    "splits": "common common.files common.errors",
    "neighbours": COMMON + "common.precision",
    "training.train": COMMON + NETWORKS + "training training.objectives training.early_stopping "
    "training.engine",
    "evaluation.evaluate": COMMON + NETWORKS + "common.entropy evaluation evaluation.rate_terms "
    "evaluation.likelihood evaluation.memorization neighbours",
    "tables": "common common.files common.errors",
}


@pytest.mark.parametrize("module", CLOSURES)
def test_closure_of_each_stage(module):
    rests_on = {"rdpipe", *(f"rdpipe.{name}" for name in (module, *CLOSURES[module].split()))}
    assert set(closure(f"rdpipe.{module}")) == rests_on


FIGURES = {path.stem for path in (fp.PACKAGE / "figures").glob("[!_]*.py")}


@pytest.mark.parametrize("path", sorted((fp.PACKAGE / "figures").glob("[!_]*.py")))
def test_a_figure_rests_on_no_other_figure(path):
    prefix = "rdpipe.figures."
    rests_on = {name.removeprefix(prefix) for name in closure(prefix + path.stem)}
    assert rests_on & FIGURES == {path.stem}


def test_fingerprint_is_read_from_disk_each_time(tmp_path, monkeypatch):
    package = tmp_path / "toy"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("VALUE = 1\n")
    (package / "sub.py").write_text("from . import base\nfrom toy.base import VALUE\n")
    monkeypatch.setattr(fp, "PACKAGE", package)
    assert closure("toy.sub") == ["toy", "toy.base", "toy.sub"]
    before = fingerprint("toy.sub")
    (package / "base.py").write_text("VALUE = 2\n")
    assert fingerprint("toy.sub") != before
    (package / "base.py").write_text("VALUE = 1  # as before\n")
    assert fingerprint("toy.sub") == before


def test_the_title_of_a_module_is_its_first_line(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/one.py").write_text('"""One thing.\n\nMore."""\nraise RuntimeError\n')
    (tmp_path / "toy/two.py").write_text("VALUE = 1\n")
    monkeypatch.setattr(fp, "PACKAGE", tmp_path / "toy")
    assert fp.title("toy.one") == "One thing."
    assert fp.title("toy.two") == ""
