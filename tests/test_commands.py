"""Each command that the documentation shows has programs, targets, options and files that exist."""

import re
import shlex
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main
import yaml
from markdown_it import MarkdownIt
from snakemake.cli import get_argument_parser

from rdpipe.cli import app
from rdpipe.overview.runs import parse
from rdpipe.study.reading import merge, read_study
from rdpipe.study.settings.study import RULES
from snakemake_logger_plugin_rdpipe import fault
from tests import ROOT

TOP = ["README.md", "CONTRIBUTING.md", "config/README.md", "results/README.md"]
PAGES = [ROOT / name for name in TOP] + sorted((ROOT / "docs").rglob("*.md"))
OURS = {"make", "snakemake", "rdpipe", "python", "pytest"}
CONTAINERS = {"docker", "apptainer"}  # run one of ours
# programs of the system, which are not looked at
OTHERS = {".", ":", "[", "$EDITOR", "cd", "complete", "cp", "done", "find", "git", "ls", "mkdir"}
OTHERS |= {"pip", "pre-commit", "snakedeploy", "tmux"}
PLACEHOLDER = re.compile(r"[<…]|\bSTAGE\b")  # as in `snakemake <target>`, in the text only


def calls(page: Path) -> Iterator[list[str]]:
    """The words of each call in the blocks of a page, and of calls of ours in its text."""
    for block in MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8")):
        if block.type == "code_block" or (block.type == "fence" and block.info in ("", "bash")):
            yield from _of_block(block.content)
        for code in block.children or ():
            if code.type == "code_inline" and not PLACEHOLDER.search(code.content):
                words = code.content.split()
                if len(words) > 1 and Path(words[0]).name in OURS - {"python"}:
                    yield from _split(code.content)


def _of_block(text: str) -> Iterator[list[str]]:
    lines = text.replace("\\\n", " ").splitlines()
    prompts = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    first = (prompts or lines)[0].split()[0]
    known = OURS | CONTAINERS | OTHERS | {"while"}
    assert prompts or Path(first).name in known or not re.search(r"^\s*(snakemake|rdpipe) ", text)
    if prompts or Path(first).name in known:
        for line in prompts or lines:
            yield from _split(line)


def _split(line: str) -> Iterator[list[str]]:
    """The calls of a line of shell, without redirections and comments."""
    line = re.sub("<[a-z ]+>", "NAME", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    call: list[str] = []
    words = iter(lexer)
    for word in words:
        if word == ">":
            next(words)
        elif set(word) <= set("&|;()<>"):
            yield from [call] if call else []
            call = []
        elif word not in ("while", "do"):
            call.append(word)
    yield from [call] if call else []


@cache
def own_files(page: Path) -> dict[str, str]:
    """The files that a page tells the reader to write; config/mine.yaml by all its examples."""
    text = page.read_text("utf-8")
    titled = dict(re.findall(r'```\w+ title="(.*?)"\n(.*?)```', text, re.DOTALL))
    examples: dict = {}
    for example in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        merge(examples, yaml.safe_load(example))
    return {"config/mine.yaml": yaml.safe_dump(examples)} | titled if examples else titled


def targets(page: Path, overlays: Iterable[str]) -> set[str]:
    """The targets of a study that the files of the repository and of a page make."""
    own = own_files(page)
    texts = (own[name] if name in own else (ROOT / name).read_text("utf-8") for name in overlays)
    # the code of how-to pages is in no checkout; tests/how_to reads their studies in a copy
    return _targets(tuple(texts), page.parent.name != "how-to")


@cache
def _targets(texts: tuple[str, ...], whole: bool) -> set[str]:
    config = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    for text in texts:
        merge(config, yaml.safe_load(text))
    if whole:
        read_study(config)
    return {*config["figures"], *config["experiments"], *RULES}


def check_make(words: list[str], page: Path) -> None:
    known = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(words) <= set(known)


@cache
def parser():
    return get_argument_parser()


def check_snakemake(words: list[str], page: Path) -> None:
    assert not fault(words)
    given = parser().parse_args(words)
    assert set(given.targets) <= targets(page, map(str, given.configfile or ()))
    if given.workflow_profile:
        assert (ROOT / given.workflow_profile / "config.yaml").is_file()


def check_rdpipe(words: list[str], page: Path) -> None:
    group = typer.main.get_command(app)
    if words[0].startswith("-"):
        assert words[0] in {option for one in group.params for option in one.opts}
        return
    command = group.commands[words[0]]
    if len(words) == 1:  # a name in the text
        return
    given = command.make_context(words[0], words[1:]).params  # refuses unknown options
    asked = [str(one) for one in [*(given.get("asked") or ()), *(given.get("overlays") or ())]]
    overlays = [one for one in asked if one.endswith(".yaml")]
    assert set(asked) - set(overlays) <= targets(page, overlays)
    parse(given.get("where") or "")


def check_python(words: list[str], page: Path) -> None:
    if words[0] != "-c":
        assert words[0] in own_files(page) or (ROOT / words[0]).is_file()
    if words[0].startswith("benchmarks/"):
        text = (ROOT / words[0]).read_text("utf-8")
        assert all(f'"{word}"' in text for word in words if word.startswith("--"))


def check_pytest(words: list[str], page: Path) -> None:
    assert all((ROOT / word).exists() for word in words if "/" in word)


CHECKS = {
    "make": check_make,
    "snakemake": check_snakemake,
    "rdpipe": check_rdpipe,
    "python": check_python,
    "pytest": check_pytest,
}
assert CHECKS.keys() == OURS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_can_be_called(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for call in calls(page):
        program = call[0].rpartition("/")[2]
        if program in CONTAINERS:
            call = call[call.index("snakemake") :] if "snakemake" in call else ["make", "help"]
            program = call[0]
        assert program in OURS | OTHERS, f"{call}: a program that nobody knows"
        if program in OURS:
            try:
                CHECKS[program](call[1:], page)
            except (Exception, SystemExit) as error:
                raise AssertionError(f"{shlex.join(call)}: {error!r}") from error


def test_the_pages_have_commands():
    found = [call for page in PAGES for call in calls(page)]
    assert len(found) > 100
    assert {call[0] for call in found} >= OURS - {"pytest"}
