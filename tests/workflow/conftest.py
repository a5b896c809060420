"""A checkout in a temporary folder, on which tests run the real Snakemake."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from tests import ROOT

from . import _forks
from ._forks import NO_PRIVILEGES

WORKFLOW = ["Snakefile", "config.yaml", "config", "profiles", "workflow", "src", "envs"]
DONE = re.compile(
    r"^(\w+ [\w/-]+(?: beta=\S+ seed=\S+)?(?: iterations=\S+)?): (computed in|from the store)", re.M
)


@dataclass(frozen=True)
class Outcome:
    """What a call of Snakemake did."""

    code: int
    text: str

    @property
    def computed(self) -> set[str]:
        """Results that were computed, such as "training half/mlp-1 beta=1 seed=0"."""
        return {title for title, how in DONE.findall(self.text) if how == "computed in"}

    @property
    def stored(self) -> set[str]:
        """Results that came from the store."""
        return {title for title, how in DONE.findall(self.text) if how == "from the store"}

    @property
    def stages_computed(self) -> set[str]:
        """Stages of which anything was computed."""
        return {title.split()[0] for title in self.computed}

    @property
    def nothing(self) -> bool:
        """Whether no job of any stage ran, not even to find its result in the store."""
        return self.code == 0 and not self.computed and not self.stored


@dataclass(frozen=True)
class Checkout:
    """A copy of the project, with its results."""

    path: Path
    privileged: bool = False

    def arguments(self, *arguments: str, **settings: object) -> list[str]:
        """Those of a call of Snakemake; `settings` overlay the tests' study."""
        overlay = self.path / "overlay.yaml"
        overlay.write_text(yaml.safe_dump(settings))
        # a target must not follow an option that takes a list
        return [*arguments, "--cores", "2", "--configfile", "config/tests.yaml", str(overlay)]

    def command(self, *arguments: str, **settings: object) -> list[str]:
        """The command line of a call of Snakemake that a test starts as a process of its own."""
        call = [sys.executable, "-m", "snakemake", *self.arguments(*arguments, **settings)]
        return call if self.privileged else NO_PRIVILEGES + call

    def start(self, *arguments: str, **settings: object) -> subprocess.Popen:
        """Start Snakemake in a session of its own, so that a signal reaches its jobs alone."""
        return subprocess.Popen(
            self.command(*arguments, **settings),
            cwd=self.path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def snakemake(self, *arguments: str, **settings: object) -> Outcome:
        """Run Snakemake to its end."""
        arguments = self.arguments(*arguments, **settings)
        return Outcome(*_forks.run(arguments, self.path, self.privileged))

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace text in a file of the project."""
        path = self.path / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def append(self, file: str, text: str) -> None:
        """Add text at the end of a file of the project."""
        with (self.path / file).open("a", encoding="utf-8") as opened:
            opened.write(text)

    def clone(self, path: Path) -> "Checkout":
        """A fresh clone with a copy of the results, but nothing else that Snakemake left."""
        fresh = make_checkout(path, self.privileged, source=self.path)
        subprocess.run(["cp", "-a", self.path / "results", path / "results"], check=True)
        return fresh


def make_checkout(path: Path, privileged: bool = False, source: Path = ROOT) -> Checkout:
    """A copy of the project without results."""
    path.mkdir(parents=True)
    for name in WORKFLOW:
        copy = shutil.copytree if (source / name).is_dir() else shutil.copy
        copy(source / name, path / name)
    return Checkout(path, privileged)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """A checkout in which the tests' study has been run, and the outcome of that run.

    Processes of pytest-xdist share it.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = (folder if worker_id == "master" else folder.parent) / "finished"
    checkout, printed = Checkout(folder / "rdpipe"), folder / "printed.txt"
    with FileLock(f"{folder}.lock"):
        if not printed.exists():
            outcome = make_checkout(checkout.path).snakemake()
            assert outcome.code == 0, outcome.text
            printed.write_text(outcome.text, "utf-8")
    return checkout, Outcome(0, printed.read_text("utf-8"))


@pytest.fixture
def checkout(finished, tmp_path):
    """A checkout of one's own with all results of the tests' study."""
    return finished[0].clone(tmp_path / "rdpipe")
