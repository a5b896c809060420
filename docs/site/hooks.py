"""What the site of mkdocs.yml shows: pages under their paths in the repository, and the API.

So a link from one page to another is right on a Git host and on the site, and no text is there
twice.
"""

from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
SHOWN = [  # pages, and files that pages show or link to
    "*.md",
    "CITATION.cff",
    "config/*",
    "docs/**/*",
    "examples/*.ipynb",
    "profiles/*/config.yaml",
    "results/*.md",
]
API = "api/"
INDEX = """# Python

These pages are made from the code. To look at finished results, start with
[rdpipe.open](rdpipe.open.md) and [its examples](../results/README.md#open-results-in-python).

| | subject |
|---|---|
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take files by their paths in the repository, and a page for each subject of the API."""
    theme = [file for file in files if file.src_dir != config.docs_dir]
    ours = [
        File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
        for pattern in SHOWN
        for path in sorted(ROOT.glob(pattern))
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    index, *subjects = [name for name in named(config.nav) if name.startswith(API)]
    code = griffe.load("rdpipe", search_paths=[str(ROOT / "src")])
    pages = {index: INDEX + "".join(_row(name, code) for name in subjects)}
    pages |= {name: f"# {_subject(name)}\n\n::: {_subject(name)}\n" for name in subjects}
    api = [File.generated(config, name, content=text) for name, text in pages.items()]
    return Files([*theme, *ours, *api])


def named(nav: object) -> list[str]:
    """The files that the navigation names, in its order."""
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav
    return [name for entry in entries for name in named(entry)]


def _subject(page: str) -> str:
    return page.removeprefix(API).removesuffix(".md")


def _row(page: str, code: griffe.Module) -> str:
    """The subject of a page, and the first line of its docstring."""
    subject = _subject(page)
    line = code[subject.removeprefix("rdpipe.")].docstring.lines[0]
    return f"| [{subject}]({page.removeprefix(API)}) | {line} |\n"
