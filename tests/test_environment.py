"""The lock files, the conda environment and pyproject.toml name the same packages."""

import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = PROJECT["optional-dependencies"]
RUN = RUNTIME + [Requirement(line) for line in EXTRAS["slurm"]]
DEVELOP = [Requirement(line) for name in ("dev", "test") for line in EXTRAS[name]]


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
    assert tools & set(lock()) == set()
    assert tools <= set(lock("requirements-dev.lock"))
    assert set(lock()) & set(lock("requirements-dev.lock")) == set()


def test_the_locks_name_no_local_builds() -> None:
    both = lock() | lock("requirements-dev.lock")
    assert [name for name, version in both.items() if version.local] == []


def test_the_conda_environment_holds_the_runtime_pins_of_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "envs" / "rdpipe.yaml").read_text())
    (packages,) = (each["pip"] for each in environment["dependencies"] if isinstance(each, dict))
    names = {canonicalize_name(requirement.name) for requirement in RUNTIME}
    expected = {name: version for name, version in lock().items() if name in names}
    assert pins(packages) == expected, "copy the pins of requirements.lock into envs/rdpipe.yaml"
