"""A fault at every operation: objects are whole or absent, and the next try succeeds.

Each scenario runs once for every operation that it makes on files, for each error and for each
duration of a fault. Another time, its process ends at that operation.
"""

import errno
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rdpipe.common.atomic import replacing
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json, write_json
from rdpipe.store.cleaning import remove
from rdpipe.store.leases import announced, leased
from rdpipe.store.links import place_link, publish, remove_lost, set_plain_names
from rdpipe.store.objects import Store
from rdpipe.store.roots import register

from ._faults import Layer

KEY, OTHER = "ab" + "0" * 62, "cd" + "0" * 62
FILES = {"data.bin": bytes(range(256)) * 100, "run.json": b'{"status": "finished"}'}
ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.EACCES, errno.EMFILE)


def add(store, key=KEY):
    def write(folder):
        for name, content in FILES.items():
            (folder / name).write_bytes(content)

    return store.add(key, write, lambda: {"stage": "training"})


def links(folder):
    return {name: folder / "results/run" / name for name in FILES}


def damage(store):
    file = add(store) / "data.bin"
    file.chmod(0o644)
    file.write_bytes(FILES["data.bin"][:-1])
    file.chmod(0o444)


# Scenarios: each prepares a folder, acts on it, and says whether all is done.


def compute(folder):
    store = Store(folder / "store")
    register(store, folder / "results")
    with leased(store, [KEY]):
        assert publish(store.find(KEY) or add(store), links(folder))


def computed(folder):
    return all(path.read_bytes() == FILES[name] for name, path in links(folder).items())


def hit(folder):
    store = Store(folder / "store")
    assert publish(store.find(KEY), links(folder))


def published(folder):
    publish(add(Store(folder / "store")), links(folder))


def lose(folder):
    published(folder)
    shutil.rmtree(folder / "store/objects/ab")
    publish(add(Store(folder / "store"), OTHER), {"run.json": folder / "results/other/run.json"})


def mend(folder):
    remove_lost(map(str, [*links(folder).values(), folder / "never"]), folder / "store")


def mended(folder):
    return not any(path.is_symlink() for path in links(folder).values()) and computed_other(folder)


def computed_other(folder):
    return (folder / "results/other/run.json").read_bytes() == FILES["run.json"]


def old_state(folder):
    (folder / "state.bin").write_bytes(b"old")


def save(folder):
    with replacing(folder / "state.bin") as new, new.open("wb") as file:
        for _ in range(3):
            file.write(bytes(10_000))


def saved(folder):
    return (folder / "state.bin").read_bytes() == bytes(30_000)


def whole_state(folder):
    assert (folder / "state.bin").read_bytes() in (b"old", bytes(30_000))


def unneeded(folder):
    add(Store(folder / "store"))
    lose(folder)
    add(Store(folder / "store"))


def tidy(folder):
    store = Store(folder / "store")
    for left in folder.glob("store/leases/*.cleaner"):  # by a call whose process is no more
        left.chmod(0o644)
        write_json(left, read_json(left) | {"process": 2**22 + 1})
    if store.find(KEY):
        with announced(store) as cleaner:
            assert remove(store, store.path(KEY), cleaner)


def tidied(folder):
    return not Store(folder / "store").find(KEY) and computed_other(folder)


def figures(folder):
    (folder / "fig-new.pdf").write_bytes(b"new")
    place_link(folder / "fig.pdf", "fig-old.pdf")
    place_link(folder / "gone.pdf", "gone-old.pdf")


def name(folder):
    set_plain_names({str(folder / "fig.pdf"): "fig-new.pdf", str(folder / "gone.pdf"): "gone-new"})


def named(folder):
    return (folder / "fig.pdf").read_bytes() == b"new" and not (folder / "gone.pdf").is_symlink()


@dataclass(frozen=True)
class Scenario:
    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    done: Callable[[Path], bool]
    sound: Callable[[Path], None] = lambda folder: None


SCENARIOS = {
    "a result is computed": Scenario(lambda folder: None, compute, computed),
    "a result is found": Scenario(published, hit, computed),
    "a damaged result is computed again": Scenario(
        lambda folder: damage(Store(folder / "store")), compute, computed
    ),
    "links that lead nowhere are removed": Scenario(lose, mend, mended),
    "a state is saved": Scenario(old_state, save, saved, whole_state),
    "an object is removed": Scenario(unneeded, tidy, tidied),
    "plain names are set": Scenario(figures, name, named),
}


def check(folder, damaged=False):
    """No object is half there, and no link leads to half of one."""
    for found in folder.glob("store/objects/??/*"):
        if damaged and (found / "data.bin").stat().st_size < len(FILES["data.bin"]):
            continue  # it has not been set aside yet
        assert {path.name for path in found.iterdir()} == {*FILES, "record.json"}
        assert {name: (found / name).read_bytes() for name in FILES} == FILES
        assert read_json(found / "record.json")["key"] == found.name
    for link in folder.glob("results/*/*"):
        if link.is_file() and not damaged:
            name = link.name[1:-9] if link.name[0] == "." else link.name  # of `replacing`
            assert link.read_bytes() == FILES[name]


class Fault:
    """Raises an error at operation n, or from there on; or ends the process."""

    def __init__(self, n, code, lasting=False):
        self.n, self.code, self.lasting, self.count = n, code, lasting, 0

    def __call__(self, *_operation):
        count, self.count = self.count, self.count + 1
        if count == self.n or (self.lasting and count > self.n):
            if self.code is None:
                os._exit(9)
            raise OSError(self.code, os.strerror(self.code))

    @property
    def reached(self):
        return self.count > self.n


def with_error(scenario, folder, fault):
    """Whether the fault was reached; and whether the scenario says that it succeeded."""
    try:
        with Layer(folder, fault):
            scenario.act(folder)
    except (OSError, RdpipeError):
        return True, False
    return fault.reached, True


def with_end(scenario, folder, fault):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the child has not
        child = os.fork()
    if child == 0:
        with Layer(folder, fault):
            scenario.act(folder)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9, status == 0


def kinds(n):
    """The faults at operation n: an error in turn, and at every eighth an end; or all of them."""
    if os.environ.get("FAULTS") == "all":
        yield from ((code, lasting) for code in ERRORS for lasting in (False, True))
        yield None, False
        return
    yield ERRORS[n // 2 % 6], n % 2 == 1
    if n % 8 == 0:
        yield None, False


def cases(scenario, template, folder) -> Iterator[tuple[str, bool, bool]]:
    """Run a scenario with faults at all operations: what it was, was it reached, did it succeed."""
    n, more = 0, True
    while more:
        more = False
        for code, lasting in kinds(n):
            shutil.copytree(template, folder, symlinks=True)
            fault = Fault(n, code, lasting)
            reached, succeeded = (with_end if code is None else with_error)(scenario, folder, fault)
            more |= reached
            case = f"{errno.errorcode.get(code, 'end')} {'from' if lasting else 'at'} {n}"
            yield case, reached, succeeded
            shutil.rmtree(folder)
        n += 1


@pytest.mark.parametrize("title", SCENARIOS)
def test_after_a_fault_nothing_is_half_there_and_the_next_try_succeeds(
    title, tmp_path, monkeypatch, record_property, capsys
):
    scenario = SCENARIOS[title]
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    (tmp_path / "template").mkdir()
    scenario.prepare(tmp_path / "template")
    folder, number = tmp_path / "case", 0
    damaged = "damaged" in title
    for case, reached, succeeded in cases(scenario, tmp_path / "template", folder):
        try:
            check(folder, damaged)
            scenario.sound(folder)
            if succeeded:
                assert scenario.done(folder), "it said that it succeeded"
            scenario.act(folder)
            check(folder)
            assert scenario.done(folder), "the next try did not succeed"
        except Exception as error:
            pytest.fail(f"{title}, {case}: {error!r}")
        number += reached
    record_property("cases", number)
    with capsys.disabled():
        print(f"\n{title}: {number:,} faults", end=" ")
    assert number > 5
