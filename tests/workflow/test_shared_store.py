"""A store of several checkouts and users, elsewhere, read-only or gone. Each runs Snakemake."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Outcome, make_checkout
from .test_reruns import EVERYTHING

pytestmark = pytest.mark.workflow

SOMEONE_ELSE = 65534
ONE_MORE_SEED = {
    f"{stage} half/mlp-1 beta={beta} seed=2"
    for stage in ("training", "evaluation")
    for beta in ("0.1", "1")
}


@pytest.fixture
def store(tmp_path):
    """A folder for a store that its group may write, of users who keep theirs to themselves."""
    folder = tmp_path / "disk" / "store"
    folder.mkdir(parents=True)
    folder.chmod(0o2775)
    before = os.umask(0o077)
    yield folder
    os.umask(before)


def shown(checkout):
    """The file in the store that each result of a checkout leads to."""
    results = checkout.path / "results"
    return {
        str(path.relative_to(results)): path.resolve()
        for path in results.rglob("*")
        if path.is_symlink() and path.is_file()
    }


@pytest.mark.long
def test_two_checkouts_that_are_started_together_end_alike(store, tmp_path):
    checkouts = [make_checkout(tmp_path / name) for name in ("one", "two")]
    processes = [checkout.start(store=str(store)) for checkout in checkouts]
    for process in processes:
        text, _ = process.communicate(timeout=300)
        assert process.returncode == 0, text
    one, two = map(shown, checkouts)
    assert one == two
    assert len(one) > len(EVERYTHING)
    assert all(path.is_relative_to(store) for path in one.values())
    assert not list(store.glob("tmp/*"))
    assert not list(store.glob("state/*"))
    assert not (store / "damaged").exists()
    for checkout in checkouts:
        assert checkout.snakemake(store=str(store)).nothing


@pytest.mark.long
def test_another_user_finds_all_that_is_there_and_adds_his_own(finished, store, tmp_path):
    """As root without its privileges, to whom the store belongs no more, but to his group."""
    if os.geteuid():
        pytest.skip("not root, who can give files to someone else")
    shutil.copytree(finished[0].path / "results/store", store, dirs_exist_ok=True)
    how = {"store": str(store), "seeds": [0, 1, 2]}
    of_the_third_seed = {"tables fig3", "figures fig3"} | ONE_MORE_SEED

    give_away(store, 0o2775)
    second = make_checkout(tmp_path / "second").snakemake(**how)
    assert second.code == 0, second.text
    assert second.stored == EVERYTHING - {"tables fig3", "figures fig3"}
    assert second.computed == of_the_third_seed

    give_away(store, 0o2755)  # which now lets nobody else write
    checkout = make_checkout(tmp_path / "third")
    third = checkout.snakemake(**how)
    assert third.code == 0, third.text
    assert third.stored == EVERYTHING | of_the_third_seed
    third = checkout.snakemake(store=str(store), seeds=[3])
    assert third.code != 0
    assert "training half/mlp-1: the store cannot be written: " in third.text
    assert "Traceback" not in third.text


def give_away(store, mode):
    """Let a store belong to someone else, who lets its group do so much."""
    for path in [store, *store.rglob("*")]:
        os.chown(path, SOMEONE_ELSE, -1)
        if path.is_dir():
            path.chmod(mode)


def test_a_store_whose_disk_is_gone_is_told_and_nothing_is_lost(store, tmp_path):
    checkout = make_checkout(tmp_path / "rdpipe")
    assert checkout.snakemake("fig1", store=str(store)).code == 0
    before = {path: path.readlink() for path in (checkout.path / "results/tests/figures").iterdir()}
    store.rename(store.with_name("elsewhere"))

    def fails_with(sentence):
        outcome = checkout.snakemake("fig1", store=str(store))
        assert outcome.code != 0
        assert re.search(sentence, outcome.text)
        assert "Traceback" not in outcome.text
        assert before == {path: path.readlink() for path in before}

    fails_with(f"store: {store} cannot be read .*; mount its disk")
    store.mkdir()  # as of a mount point
    fails_with(f"{store} has no objects; mount its disk")
    store.rmdir()
    store.with_name("elsewhere").rename(store)
    assert checkout.snakemake("fig1", store=str(store)).nothing


def test_a_figure_whose_object_is_gone_is_made_anew(checkout):
    figure = checkout.path / "results/tests/figures/fig1.pdf"
    shutil.rmtree(figure.resolve().parent)
    assert checkout.snakemake().computed == {"figures fig1"}
    assert figure.is_file()


def test_no_job_imports_anything_heavy_to_find_its_result(finished, tmp_path):
    checkout = make_checkout(tmp_path / "rdpipe")
    heavy = {"matplotlib", "numpy", "pandas", "pyarrow", "pydantic", "scipy", "torch"}
    said = f"\nimport sys\nprint('heavy:', sorted({heavy} & set(sys.modules)))\n"
    for adapter in Path(checkout.path / "workflow/scripts").glob("*.py"):
        checkout.append(str(adapter.relative_to(checkout.path)), said)
    command = checkout.command(store=str(finished[0].path / "results/store"))
    done = subprocess.run(command, cwd=checkout.path, text=True, capture_output=True, timeout=300)
    outcome = Outcome(done.returncode, done.stdout + done.stderr)
    assert outcome.stored == EVERYTHING
    jobs = len({title.split(" beta=")[0] for title in EVERYTHING}) + 1  # packed; `all`
    assert re.findall(r"^heavy: (.*)$", outcome.text, re.M) == ["[]"] * jobs
