"""The lock files, the conda environment and pyproject.toml name the same packages."""

import re
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = PROJECT["optional-dependencies"]
RUN = RUNTIME + [Requirement(line) for line in EXTRAS["slurm"]]
DEVELOP = [Requirement(line) for name in ("dev", "docs", "test") for line in EXTRAS[name]]


def pins(lines: list[str]) -> dict[str, Version]:
    """Name and version of each "name==version"; any other line is an error."""
    names, versions = zip(*(line.split("==") for line in lines), strict=True)
    return dict(zip(map(canonicalize_name, names), map(Version, versions), strict=True))


def lock(name: str = "requirements.lock") -> dict[str, Version]:
    lines = (ROOT / name).read_text().splitlines()
    return pins([line for line in lines if not line.startswith("#")])


@pytest.mark.parametrize("requirement", RUN, ids=lambda each: each.name)
def test_the_lock_pins_a_version_that_pyproject_admits(requirement: Requirement) -> None:
    version = lock()[canonicalize_name(requirement.name)]
    assert version in requirement.specifier, "run `make lock`"


@pytest.mark.parametrize("requirement", DEVELOP, ids=lambda each: each.name)
def test_one_of_the_locks_pins_what_developers_need(requirement: Requirement) -> None:
    both = lock() | lock("requirements-dev.lock")
    assert both[canonicalize_name(requirement.name)] in requirement.specifier, "run `make lock`"


def test_a_demo_installs_no_tools_of_developers() -> None:
    tools = {"playwright", "pytest", "mypy", "ruff", "snakefmt", "pre-commit", "import-linter"}
    tools |= {"mkdocs"}
    assert tools & set(lock()) == set()
    assert tools <= set(lock("requirements-dev.lock"))
    assert set(lock()) & set(lock("requirements-dev.lock")) == set()


def test_the_locks_name_no_local_builds() -> None:
    both = lock() | lock("requirements-dev.lock")
    assert [name for name, version in both.items() if version.local] == []


def test_the_first_release_of_the_oldest_python_can_install_every_pin() -> None:
    oldest = Version(PROJECT["requires-python"].removeprefix(">=") + ".0")
    refuse = {}
    for name, version in (lock() | lock("requirements-dev.lock")).items():
        with suppress(PackageNotFoundError):  # a tool of developers that is not installed here
            found = metadata(name)
            assert Version(found["Version"]).public == str(version), f"install {name}=={version}"
            asked = SpecifierSet(found["Requires-Python"] or "")
            if oldest not in asked:
                refuse[name] = f"{version} needs Python {asked}; pin an earlier release"
    assert refuse == {}


def test_the_conda_environment_holds_the_runtime_pins_of_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "envs" / "rdpipe.yaml").read_text())
    (packages,) = (each["pip"] for each in environment["dependencies"] if isinstance(each, dict))
    names = {canonicalize_name(requirement.name) for requirement in RUNTIME}
    expected = {name: version for name, version in lock().items() if name in names}
    assert pins(packages) == expected, "copy the pins of requirements.lock into envs/rdpipe.yaml"


@pytest.mark.parametrize("file", [".github/workflows/ci.yml", ".gitlab-ci.yml"])
def test_every_continuous_integration_calls_the_same_commands(file):
    commands = re.findall(r"^make ([\w-]+)", (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE)
    text = (ROOT / file).read_text("utf-8")
    assert yaml.safe_load(text)
    (listed,) = re.findall(r"\w+: \[(lint.*?)\]", text)
    assert listed.split(", ") == commands


def test_the_container_has_the_pins_of_the_lock_and_the_python_of_the_environment():
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    (python,) = re.findall(r"- python =([\d.]+)", (ROOT / "envs/rdpipe.yaml").read_text("utf-8"))
    assert f"FROM python:{python}-slim" in lines
    installs = [line for line in lines if "pip install" in line]
    assert "--requirement requirements.lock" in installs[0]
    assert all("--no-deps" in line for line in installs[1:])
