"""The documentation as a site: its navigation, its links, and what a browser says of it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import yaml
from markdown_it import MarkdownIt

from tests import ROOT
from tests.test_commands import PAGES

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
SHOWN = ["index.html", "docs/tutorial.html", "docs/settings.html", "api/rdpipe.results.html"]


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without calling what it names."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
CONFIG = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), _Loader)


def named(nav: object) -> Iterator[str]:
    """The files that the navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from named(entry)


def test_the_navigation_has_every_page_once():
    pages = [name for name in named(CONFIG["nav"]) if not name.startswith("api/")]
    ours = [page.relative_to(ROOT).as_posix() for page in PAGES]
    assert sorted(pages) == sorted([*ours, "CHANGELOG.md"])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, as `make docs` builds it."""
    if not importlib.util.find_spec("material") or not importlib.util.find_spec("mkdocstrings"):
        pytest.skip("needs mkdocs-material and mkdocstrings: `make docs` installs them")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr  # any warning ends a strict build
    return folder


@pytest.mark.long
def test_every_link_of_the_site_leads_to_something(site):
    pages = {path: path.read_text("utf-8") for path in site.rglob("*.html")}
    pages = {path: text for path, text in pages.items() if 'name="generator"' in text}
    anchors = {path: set(re.findall(r' (?:id|name)="?([^\s">]+)', pages[path])) for path in pages}
    missing = []
    for path, text in pages.items():
        for link in re.findall(r'<a [^>]*?href="([^"]*)"', text):
            address, anchor = urldefrag(unquote(unescape(link)))
            if re.match(r"\w+:", address) or path.name == "404.html":
                continue
            there = (path.parent / address).resolve() if address else path
            if not there.is_file() or (anchor and there in pages and anchor not in anchors[there]):
                missing.append((path.relative_to(site), link))
    assert len(pages) > len(PAGES)
    assert missing == []


@pytest.mark.long
@pytest.mark.parametrize("element", ["li", "pre", "table"])
def test_a_page_has_the_same_lists_blocks_and_tables_as_on_a_git_host(site, element):
    markdown = MarkdownIt("commonmark").enable("table")
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix().replace("README.md", "index.md")
        text = (site / name).with_suffix(".html").read_text("utf-8")
        article = re.search(r"<article.*?</article>", text, re.DOTALL)[0]
        article = article.replace('<table class="highlighttable">', "")
        count = [
            len(re.findall(f"<{element}[ >]", html))
            for html in (article, markdown.render(page.read_text("utf-8")))
        ]
        assert count[0] == count[1], name


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: make test")
    if not CHROMIUM:
        pytest.skip("needs Chromium: `apt-get install chromium` or the like")
    with playwright.sync_playwright() as driver:
        # tests may run as root and in containers, where Chromium's own sandbox cannot
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.long
def test_the_site_fits_windows_asks_no_network_and_finds_words(site, browser):
    said, asked = [], []
    for width, scheme in ((1280, "light"), (400, "dark")):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(120_000)  # ms; a machine may be busy
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        for name in SHOWN:
            page.goto((site / name).as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            dark = page.evaluate("document.body.dataset.mdColorScheme") == "slate"
            assert dark == (scheme == "dark")
        if width > 1000:  # a search in a page that was opened as a file
            page.locator("input[data-md-component=search-query]").fill("inference gap")
            found = page.locator(".md-search-result__link").first
            assert "diagnostics" in found.get_attribute("href")
        page.close()
    assert said == []
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
