"""The walls between the rooms of the library, which `make lint` checks, hold and can fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

# a module -> an import that its room may not have
PLANTED = {
    "common/files.py": "from rdpipe.vae import streams",
    "vae/streams.py": "from rdpipe import splits",
    "training/engine.py": "from rdpipe.store import digests",
    "evaluation/evaluate.py": "from rdpipe.training import pack",
    "figures/fig3.py": "import snakemake",
    "claims/intervals.py": "from rdpipe.study import plan",
    "store/digests.py": "from rdpipe.study import plan",
    "study/plan.py": "from rdpipe.overview import times",
    "vae/networks.py": "from rdpipe.vae import models",  # a circle
}


def lint(source: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the package below a folder."""
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-cache", "--config", ROOT / "pyproject.toml"],
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
    )


def test_the_library_keeps_its_contracts() -> None:
    assert lint(ROOT / "src").returncode == 0


@pytest.mark.parametrize("module", PLANTED)
def test_a_planted_wrong_import_breaks_a_contract(module: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src/rdpipe", tmp_path / "rdpipe")
    with (tmp_path / "rdpipe" / module).open("a") as file:
        file.write(f"\n{PLANTED[module]}\n")
    done = lint(tmp_path)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout
