"""What a code fingerprint sees, and which modules each stage rests on."""

import ast
import re
import shutil
from functools import cache
from pathlib import Path

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


# --- what each stage rests on ---------------------------------------------------------------------

# An edit in a module of a closure computes the stage again. Add to these sets with care.
DATASET = "common common.files common.entropy datasets datasets._common "
PUBLIC = DATASET + "datasets._downloads datasets._size datasets._sides "
VAE = "common common.files common.precision vae vae.networks vae.models vae.streams vae.densities "
VAE += "vae.priors vae.likelihoods "
TRAINING = VAE + "training training.objectives training.early_stopping training.engine "
TRAINING += "training.pack "
EVALUATION = VAE + "common.entropy evaluation evaluation.examples evaluation.rate_distortion "
EVALUATION += "evaluation.rate_terms evaluation.likelihood evaluation.memorization "
EVALUATION += "evaluation.reconstructions neighbours "
MEASURE = VAE + "common.entropy diagnostics diagnostics.runs evaluation evaluation.examples "
MEMORIZATION = (
    "evaluation.memorization evaluation.rate_terms evaluation.reconstructions neighbours "
)
OWN_MODULES = "vae.mlp vae.priors.standard vae.likelihoods.bernoulli"
CLOSURES = {
    "datasets.tetrominoes": DATASET + "datasets._tetromino",
    "datasets.mnist": PUBLIC + "datasets._gzipped datasets._idx",
    "datasets.fashion_mnist": PUBLIC + "datasets._gzipped datasets._idx",
    "datasets.smallnorb": PUBLIC + "datasets._gzipped",
    "datasets.shapes3d": PUBLIC + "common.npy",
    "datasets.dsprites": PUBLIC + "common.npy",
    "datasets.cifar10": PUBLIC + "datasets._gzipped",
    "datasets.images": DATASET + "common.npy common.own_files datasets._room",
    "splits": "common common.files",
    "neighbours": "common common.files common.precision",
    **{
        f"{stage} vae.{kind} vae.priors.{prior} vae.likelihoods.{likelihood}": rests_on
        for stage, rests_on in (
            ("training.train", TRAINING),
            ("evaluation.evaluate", EVALUATION),
        )
        for kind, prior, likelihood in (
            ("mlp", "standard", "bernoulli"),
            ("cnn", "standard", "bernoulli"),
            ("mlp", "mixture", "continuous_bernoulli"),
            ("mlp", "vamp", "gaussian"),
            ("mlp", "flow", "bernoulli"),
        )
    },
    **{
        f"diagnostics.{measure} {OWN_MODULES}": MEASURE + more
        for measure, more in (
            ("active_units", ""),
            ("decoder_memorization", MEMORIZATION),
            ("fitted_prior", "evaluation.rate_terms"),
            ("inference_gap", ""),
            ("leave_out", "evaluation.likelihood"),
            ("pictures", "diagnostics.active_units evaluation.reconstructions"),
        )
    },
    "tables": "common common.files",
}
"""The modules that a stage is computed by -> the others that it rests on."""

FIGURES = sorted(path.stem for path in (fp.PACKAGE / "figures").glob("[!_]*.py"))
STAGES = [*CLOSURES, *(f"figures.{name}" for name in FIGURES)]


def full(names):
    """Names of modules, written with spaces between them and without the package's."""
    return [f"rdpipe.{name}" for name in names.split()]


@pytest.mark.parametrize("modules", CLOSURES)
def test_closure_of_each_stage(modules):
    rests_on = {"rdpipe", *full(modules), *full(CLOSURES[modules])}
    assert set(closure(full(modules))) == rests_on


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_rests_on_no_other_figure(name):
    rests_on = {
        module.removeprefix("rdpipe.figures.") for module in closure(full(f"figures.{name}"))
    }
    assert rests_on.intersection(FIGURES) == {name}


# --- what no fingerprint covers -------------------------------------------------------------------

# Public names of the exempt modules, functions with what they return. Before you add one here, ask
# whether a number of a result can come from it; if so, it belongs into a covered module.
HAS = {
    "common.atomic": {"flush -> None", "replacing -> Iterator[Path]"},
    "common.devices": {"LOCKS", "choose -> torch.device", "log", "visible_devices -> list[str]"},
    "common.errors": {"RdpipeError", "OutOfMemoryError"},
    "common.progress": {
        "EVERY", "LOOK", "Progress", "Progress.update -> None", "in_digits -> str", "live", "log",
    },
    "training.state": {
        "go_on -> None", "log", "resume -> None", "save -> None", "save_if_possible -> None",
        "save_run -> None",
    },
}  # fmt: skip
# What covered modules use of them, attributes of their classes included.
USED = {
    "common.atomic": {"replacing"},
    "common.devices": {"choose"},
    "common.errors": {"RdpipeError", "OutOfMemoryError"},
    "common.progress": {"Progress", "Progress.update"},
    "training.state": {"go_on", "resume", "save", "save_if_possible", "save_run"},
}


def file(module):
    """The file of a module, by its name without the package's."""
    path = fp.PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def nodes(source):
    """All nodes of a source text, the module itself first."""
    return list(ast.walk(ast.parse(source)))


def nodes_of(module):
    """All nodes of a module."""
    return nodes(file(module).read_text("utf-8"))


def public_names(module):
    """What HAS lists of an exempt module."""
    found = set()
    for node in nodes_of(module)[0].body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(_with_return(node, name))
                methods = node.body if isinstance(node, ast.ClassDef) else []
                found |= {
                    _with_return(method, f"{name}.{method.name}")
                    for method in methods
                    if isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
                }
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return {name for name in found if not name.startswith("_")}


def _with_return(node, name):
    return name if isinstance(node, ast.ClassDef) else f"{name} -> {ast.unparse(node.returns)}"


def used_by(module, exempt):
    """The names of an exempt module that another module uses."""
    package, _, last = f"rdpipe.{exempt}".rpartition(".")
    spellings, classes, used = set(), {}, set()  # of the module, of names from it
    every = nodes_of(module)
    for node in every:
        match node:
            case ast.Import(names=names):
                spellings |= {
                    alias.asname or alias.name
                    for alias in names
                    if alias.name == f"{package}.{last}"
                }
            case ast.ImportFrom(module=base, names=names, level=0) if base == f"{package}.{last}":
                used |= {alias.name for alias in names}
                classes |= {alias.asname or alias.name: alias.name for alias in names}
            case ast.ImportFrom(module=base, names=names, level=0) if base == package:
                spellings |= {a.asname or a.name for a in names if a.name == last}
            case ast.ImportFrom(level=level):
                assert not level, f"{module}: write imports in full, for this test to see them"
    variables = {
        target.id: classes[node.value.func.id]
        for node in every
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id in classes
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in every:
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            used |= {node.attr} if owner in spellings else set()
            used |= {f"{variables[owner]}.{node.attr}"} if owner in variables else set()
    return used


def covered():
    """Names of all modules that any stage rests on."""
    found = {module for stage in STAGES for module in closure(full(stage))}
    return sorted(module.removeprefix("rdpipe.") for module in found - {"rdpipe"})


def all_public_names():
    return {exempt: public_names(exempt) for exempt in HAS}


def all_used():
    return {exempt: set().union(*(used_by(m, exempt) for m in covered())) for exempt in USED}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, which fingerprints are taken of."""
    copy = shutil.copytree(fp.PACKAGE, tmp_path / "rdpipe", ignore=shutil.ignore_patterns("__py*"))
    monkeypatch.setattr(fp, "PACKAGE", Path(copy))
    return Path(copy)


def append(path, text):
    """Add text to a file, at its end."""
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def fingerprints():
    """The fingerprint of every stage."""
    return {stage: fingerprint(full(stage)) for stage in STAGES}


def test_what_is_exempt_and_what_it_has():
    assert sorted(fp.EXEMPT) == [f"rdpipe.{name}" for name in sorted(HAS)]
    assert all(reason.endswith(".") for reason in fp.EXEMPT.values())
    assert all_public_names() == HAS


def test_covered_modules_take_no_numbers_from_exempt_ones():
    assert all_used() == USED


def test_exempt_modules_lead_to_nothing_that_is_not_covered_or_exempt():
    """Else a module that only they import could change a number unseen."""
    known = {f"rdpipe.{name}" for name in covered()} | set(fp.EXEMPT) | {"rdpipe"}
    for exempt in HAS:
        imports = {
            name
            for node in nodes_of(exempt)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rdpipe")
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        }
        assert {name for name in imports if _is_module(name)} <= known


def _is_module(name):
    path = fp.PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


PLANTED = {
    "a function that returns numbers": (
        "common/progress.py", "def smooth(values: list[float]) -> float:\n    return 0.5\n",
    ),
    "a method that returns numbers": (
        "common/errors.py", "class Scale:\n    def factor(self) -> float:\n        return 2.0\n",
    ),
    "a constant": ("training/state.py", "DECAY: float = 0.9\n"),
    "a constant that is taken": (
        "training/objectives.py", "from rdpipe.common.progress import EVERY\n",
    ),
    "a function that is taken": (
        "training/engine.py",
        "from rdpipe.common import devices as d\nN = len(d.visible_devices())\n",
    ),
    "a function of a module that is spelled out": (
        "splits.py", "import rdpipe.common.errors\nN = rdpipe.common.errors.number()\n",
    ),
    "an attribute": (
        "evaluation/rate_terms.py",
        "from rdpipe.common.progress import Progress as P\np = P(1, '')\nN = p.done\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
def test_numbers_that_would_come_from_an_exempt_module_are_noticed(package, what):
    name, text = PLANTED[what]
    append(package / name, "\n\n" + text)
    assert (all_public_names(), all_used()) != (HAS, USED)


def test_an_edit_of_an_exempt_module_changes_no_fingerprint(package):
    before = fingerprints()
    for exempt in HAS:
        append(file(exempt), "\nEXTRA = 1\n")
    progress = package / "common/progress.py"
    text = progress.read_text("utf-8")
    assert "s left" in text
    progress.write_text(text.replace("s left", "seconds to go"), "utf-8")
    assert fingerprints() == before


def test_an_edit_of_what_opens_finished_results_changes_no_fingerprint(package):
    before = fingerprints()
    append(package / "__init__.py", "\nfrom rdpipe import report\n")
    assert fingerprints() == before


def test_no_stage_takes_anything_from_what_opens_finished_results():
    own = re.compile(r"^(from rdpipe import open|import rdpipe$)|rdpipe\.open\(", re.M)
    assert not [name for name in covered() if own.search(file(name).read_text("utf-8"))]


@pytest.mark.parametrize("module", ["vae.cnn", "vae.streams", "common.files", "figures._style"])
def test_an_edit_of_another_module_changes_the_fingerprints_of_what_rests_on_it(package, module):
    before = fingerprints()
    append(file(module), "\nEXTRA = 1\n")
    after = fingerprints()
    changed = {stage for stage in STAGES if after[stage] != before[stage]}
    assert changed == {stage for stage in STAGES if f"rdpipe.{module}" in closure(full(stage))}
    assert changed


def test_a_new_kind_of_architecture_leaves_the_fingerprints_of_the_others(package):
    before = fingerprints()
    kind = (package / "vae/mlp.py").read_text("utf-8").replace("relu", "gelu")
    gelu = "def gelu(h):\n    import torch.nn.functional as F\n\n    return F.gelu(h)\n"
    kind = kind.replace("mirrored, gelu", "mirrored") + "\n\n" + gelu
    (package / "vae/gelu_mlp.py").write_text(kind, "utf-8")
    append(package / "study/settings/archs.py", "\n\nclass GeluMLP(MLP): ...\n")
    assert fingerprints() == before
    for stage in ("training.train", "evaluation.evaluate"):
        new = full(f"{stage} vae.gelu_mlp vae.priors.standard vae.likelihoods.bernoulli")
        assert "rdpipe.vae.gelu_mlp" in closure(new) and "rdpipe.vae.mlp" not in closure(new)
        assert fingerprint(new) not in before.values()


# --- reading --------------------------------------------------------------------------------------


def test_fingerprint_is_read_from_disk_each_time(tmp_path, monkeypatch):
    package = tmp_path / "toy"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("VALUE = 1\n")
    (package / "sub.py").write_text("from . import base\nfrom toy.base import VALUE\n")
    monkeypatch.setattr(fp, "PACKAGE", package)
    assert closure(["toy.sub"]) == ["toy", "toy.base", "toy.sub"]
    before = fingerprint(["toy.sub"])
    (package / "base.py").write_text("VALUE = 2\n")
    assert fingerprint(["toy.sub"]) != before
    (package / "base.py").write_text("VALUE = 1  # as before\n")
    assert fingerprint(["toy.sub"]) == before


@pytest.mark.parametrize(
    "line",
    [
        "import toy.sub.beside",
        "from toy.sub import beside",
        "from toy.sub.beside import VALUE",
        "from . import beside",
        "from .beside import VALUE",
        "from ..sub import beside",
        "from ..sub.beside import VALUE",
    ],
)
def test_an_import_counts_however_it_is_written(line, tmp_path, monkeypatch):
    package = tmp_path / "toy"
    (package / "sub").mkdir(parents=True)
    for name in ("__init__", "sub/__init__", "sub/beside"):
        (package / f"{name}.py").write_text("")
    (package / "sub/one.py").write_text(f"{line}\n")
    monkeypatch.setattr(fp, "PACKAGE", package)
    assert closure(["toy.sub.one"]) == ["toy", "toy.sub", "toy.sub.beside", "toy.sub.one"]


def test_a_module_is_read_for_its_docstring_without_being_imported(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/one.py").write_text('"""One thing.\n\nMore."""\nraise RuntimeError\n')
    (tmp_path / "toy/two.py").write_text("VALUE = 1\n")
    monkeypatch.setattr(fp, "PACKAGE", tmp_path / "toy")
    assert fp.docstring("toy.one") == "One thing.\n\nMore."
    assert fp.docstring("toy.two") == ""
