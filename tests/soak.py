"""A tiny study that is killed, damaged, filled up and set back, and must end as if nothing was.

    python -m tests.soak --minutes 60 --seed 7

Two checkouts share a store. Faults come at random moments to the calls of Snakemake that run there.
A call that ends is followed by the next one, as a user would call it. When both checkouts have
finished, their tables are compared byte by byte with those of an undisturbed study, and the study
starts anew. Further parts try several calls in one folder, a full disk, and a clock that is set
back. The command fails if a table differs, a finished result was lost, or a call did not end.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.workflow.conftest import DONE, Checkout, make_checkout

PATIENCE = 30.0  # seconds in which Snakemake must have ended after SIGTERM
LONGEST = 300.0  # seconds after which any call counts as hung
STUDY: dict[str, Any] = {
    "training": {"iterations": 600, "save_every": 0.1, "pack": []},
    "evaluation": {"pack": []},
}
PACKED = {"training": STUDY["training"] | {"pack": ["beta", "seed"]}}
FAULTS = {"kill all": 100, "kill one": 100, "terminate": 50, "damage": 20}
SAID = {
    "kill all": "SIGKILL to Snakemake and its jobs",
    "kill one": "SIGKILL to one process",
    "terminate": "SIGTERM twice to all",
    "damage": "a damaged or removed file of the store",
    "beside": "SIGKILL among 2 and 4 calls in a folder",
    "full": "a full disk",
    "clock": "a clock set back by two days",
}
PRELOADS = "/usr/lib/*/faketime/libfaketime.so.1"
console = Console(width=100)


@dataclass
class Tally:
    """What has been injected, and what has come of it."""

    injected: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    computed: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)  # one sentence each
    studies: int = 0
    again: int = 0  # results computed again, as kills and damage explain
    lost: int = 0
    different: int = 0


class Call:
    """A call of Snakemake in a checkout, and all that the calls before it there have said."""

    def __init__(self, checkout: Checkout, log: Path, *arguments: str, **settings: Any) -> None:
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                checkout.command(*arguments, **settings),
                cwd=checkout.path,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a signal to this group reaches the jobs, and not the soak
            )

    def running(self) -> bool:
        return self.process.poll() is None

    def processes(self) -> list[int]:
        """Ids of the processes of the call and its jobs."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.getpgid(int(path.name)) == self.process.pid:
                    found.append(int(path.name))
        return found

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def end(self, seconds: float) -> bool:
        """Whether the call ends in this time by itself; else it is killed."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        ended = not self.running()
        self.signal(signal.SIGKILL)
        self.process.wait()
        return ended


def tables(checkout: Checkout) -> dict[str, str]:
    """sha256 of every table, and of the numbers of every figure."""
    results = checkout.path / "results"
    files = [*results.glob("tables/*/*"), *results.glob("figures/*.csv")]
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.exists()
    }


def finish(checkout: Checkout, log: Path, tries: int = 6, **settings: Any) -> bool:
    """Call Snakemake until it succeeds: a job that finds damage fails, the next call mends it."""
    for _ in range(tries):
        call = Call(checkout, log, **settings)
        if not call.end(LONGEST):
            return False
        if call.process.returncode == 0:
            return True
    return False


def verify(checkout: Checkout) -> None:
    """Let rdpipe set aside what is damaged, also what no job reads any more."""
    command = [sys.executable, "-c", "from rdpipe.cli import app; app()", "verify"]
    how = {"cwd": checkout.path, "env": os.environ | {"PYTHONPATH": str(checkout.path / "src")}}
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, **how)
    repair = ["--repair"] if "--repair" in told.stdout else []
    overlays = ["config/tests.yaml", "overlay.yaml"]
    subprocess.run([*command, *overlays, *repair], capture_output=True, check=False, **how)


def damage(store: Path, dice: random.Random) -> bool:
    """Damage one file of one object, or remove it; False if there is none."""
    files = sorted(store.glob("objects/*/*/*"))
    if not files:
        return False
    path, how = dice.choice(files), dice.choice(["flip", "cut", "empty", "file", "object"])
    try:
        data, times = bytearray(path.read_bytes()), path.stat()
        match how:
            case "object":
                shutil.rmtree(path.parent)
                return True
            case "file":
                path.unlink()
                return True
            case "flip":
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            case "cut":
                data = data[: len(data) // 2]
            case "empty":
                data = bytearray()
        path.chmod(0o644)
        path.write_bytes(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    except (OSError, ValueError):  # set aside at this very moment
        return False
    return True


# --- two checkouts on one store -----------------------------------------------------------------


class Worker:
    """A checkout in which someone calls Snakemake until it succeeds."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.checkout, self.settings = make_checkout(folder), settings
        self.log = folder.with_suffix(".log")
        self.start()

    def start(self) -> None:
        self.call = Call(self.checkout, self.log, **self.settings)

    def alive(self) -> bool:
        """Whether a call is running; a call that failed is followed by the next."""
        if not self.call.running() and self.call.process.returncode != 0:
            self.start()
        return self.call.running()

    def finish(self) -> bool:
        return self.call.end(LONGEST) and finish(self.checkout, self.log, **self.settings)


def shared_store(
    folder: Path, expected: dict[str, str], wait: float, until: float, share: float,
    dice: random.Random, tally: Tally,
) -> None:  # fmt: skip
    """Inject faults into two checkouts until all have been, and go on until the time is over."""
    faults = [fault for fault, n in FAULTS.items() for _ in range(max(1, round(share * n)))]
    dice.shuffle(faults)
    while faults or time.monotonic() < until:
        tally.studies += 1
        place = folder / f"study-{tally.studies}"
        (place / "store").mkdir(parents=True)
        how = STUDY | {"store": str(place / "store")}
        packed = tally.studies % 2 == 0
        workers = [
            Worker(place / "one", **how),
            Worker(place / "two", **how | (PACKED if packed else {})),
        ]
        injected: Counter[str] = Counter()
        while faults or time.monotonic() < until:
            time.sleep(dice.uniform(0, wait))
            if not (alive := [worker for worker in workers if worker.alive()]):
                break
            if not faults:
                faults = dice.choices(list(FAULTS), list(FAULTS.values()))
            if inject(faults[-1], dice.choice(alive), place / "store", dice, tally):
                injected[faults.pop()] += 1
        ended = [worker.finish() for worker in workers]
        verify(workers[0].checkout)  # finds damage that no job reads any more
        ended += [worker.finish() for worker in workers]
        whole = all(ended)
        if not whole:
            tally.faults.append(f"a study did not end: {place}")
        compare(place.name, [worker.checkout for worker in workers], expected, tally)
        count([worker.log for worker in workers], injected, packed, tally)
        tally.injected += injected
        tally.survived += injected if whole else Counter()
        said = ", ".join(f"{n} × {fault}" for fault, n in injected.items())
        console.print(f"study {tally.studies}: {said}", highlight=False)
        if not tally.faults:
            shutil.rmtree(place)


def inject(fault: str, worker: Worker, store: Path, dice: random.Random, tally: Tally) -> bool:
    """Inject one fault, and say whether there was something to inject it into."""
    call = worker.call
    match fault:
        case "damage":
            return damage(store, dice)
        case "kill all":
            call.signal(signal.SIGKILL)
            return call.end(LONGEST)
        case "kill one":
            with suppress(ProcessLookupError, IndexError):
                # a job whose Snakemake was killed lives on, and the next call meets it
                os.kill(dice.choice(call.processes()), signal.SIGKILL)
                return True
            return False
        case _:
            call.signal(signal.SIGTERM)
            time.sleep(dice.uniform(0, 0.3))
            call.signal(signal.SIGTERM)
            if not call.end(PATIENCE):
                tally.faults.append(f"a call did not end in {PATIENCE:g} s: {worker.log}")
            return True


def compare(name: str, checkouts: list[Checkout], expected: dict[str, str], tally: Tally) -> None:
    """Compare the tables of checkouts with those of an undisturbed study."""
    for checkout in checkouts:
        found = tables(checkout)
        wrong = [file for file in expected if found.get(file) != expected[file]]
        tally.different += len(wrong)
        tally.faults += [f"{name}, {checkout.path.name}: {file} is different" for file in wrong]


def count(logs: list[Path], injected: Counter[str], packed: bool, tally: Tally) -> None:
    """Count results that a checkout computed again although it had them.

    Each damage explains that one result is computed again, and with it what stands behind it when
    both checkouts do so. The jobs of a Snakemake that was killed alone end beside those of the next
    call. Runs that were packed together with an interrupted one are computed again with it.
    """
    again = 0
    for log in logs:
        done = Counter(
            title for title, how in DONE.findall(log.read_text("utf-8", "replace"))
            if how == "computed in"
        )  # fmt: skip
        tally.computed.update(done)
        again += sum(done.values()) - len(done)
    explained = 2 * injected["damage"] + 2 * injected["kill one"]
    if packed:
        explained += 4 * (injected["kill all"] + injected["kill one"] + injected["terminate"])
    tally.again += min(again, explained)
    if again > explained:
        tally.lost += again - explained
        tally.faults.append(f"{again} results computed again, {explained} explained: {logs[0]}")


# --- several calls in one folder ----------------------------------------------------------------


def beside(
    folder: Path, expected: dict[str, str], wait: float, dice: random.Random, tally: Tally
) -> None:
    """Two and then four calls in one folder, without Snakemake's lock, of which some are killed."""
    for number in (2, 4):
        checkout = make_checkout(folder / f"beside-{number}")
        logs = [folder / f"beside-{number}-{i}.log" for i in range(number)]
        calls = [Call(checkout, log, "--nolock", **STUDY) for log in logs]
        for _ in range(3 * number):
            time.sleep(dice.uniform(0, 2 * wait))
            i = dice.randrange(number)
            if calls[i].running():
                calls[i].signal(signal.SIGKILL)
                calls[i].end(LONGEST)
                tally.injected["beside"] += 1
            calls[i] = Call(checkout, logs[i], "--nolock", **STUDY)
        ended = [call.end(LONGEST) for call in calls]
        if all(ended) and finish(checkout, logs[0], **STUDY):
            tally.survived["beside"] = tally.injected["beside"]
        else:
            tally.faults.append(f"{number} calls in one folder did not end: {logs[0]}")
        compare(f"{number} calls", [checkout], expected, tally)
        tally.studies += 1


# --- a full disk --------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A file system in memory with little room."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def full_disk(folder: Path, expected: dict[str, str], dice: random.Random, tally: Tally) -> None:
    """A disk that is full in the middle of a study, and has room again later."""
    checkout, log = make_checkout(folder / "full"), folder / "full.log"
    disk = checkout.path / "results"
    try:
        with small_disk(disk, dice.randrange(100, 400)):
            tally.injected["full"] += 1
            call = Call(checkout, log, **STUDY)
            refused = call.end(LONGEST) and call.process.returncode != 0
            told = "no room" in log.read_text("utf-8")
            subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
            if refused and told and finish(checkout, log, **STUDY):
                tally.survived["full"] += 1
            else:
                tally.faults.append(f"a full disk: refused {refused}, told {told}: {log}")
            compare("full disk", [checkout], expected, tally)
            tally.studies += 1
    except (subprocess.CalledProcessError, PermissionError, FileNotFoundError):
        tally.skipped["full"] = "a small disk takes the right to mount one"


# --- a clock that is set back -------------------------------------------------------------------


def clock(
    folder: Path, expected: dict[str, str], wait: float, dice: random.Random, tally: Tally
) -> None:
    """A call that is killed, and a second one whose clock is two days behind."""
    library = next(iter(sorted(Path("/").glob(PRELOADS.lstrip("/")))), None)
    if library is None:
        tally.skipped["clock"] = "libfaketime is not installed"
        return
    checkout, log = make_checkout(folder / "clock"), folder / "clock.log"
    call = Call(checkout, log, **STUDY)
    time.sleep(dice.uniform(4, 8) * wait)
    call.signal(signal.SIGKILL)
    call.end(LONGEST)
    tally.injected["clock"] += 1
    before = dict(os.environ)
    os.environ.update(LD_PRELOAD=str(library), FAKETIME="-2d", FAKETIME_DONT_FAKE_MONOTONIC="1")
    try:
        behind = finish(checkout, log, **STUDY)
    finally:
        os.environ.clear()
        os.environ.update(before)
    if behind and finish(checkout, log, **STUDY):
        tally.survived["clock"] += 1
    else:
        tally.faults.append(f"a clock set back: {log}")
    compare("clock", [checkout], expected, tally)
    tally.studies += 1


# --- all of it ----------------------------------------------------------------------------------


def soak(folder: Path, seed: int, minutes: float, share: float) -> Tally:
    """Inject all faults, or this share of their numbers."""
    dice, tally = random.Random(seed), Tally()
    begin = time.monotonic()
    reference = make_checkout(folder / "reference")
    if not finish(reference, folder / "reference.log", tries=1, **STUDY):
        sys.exit(f"the undisturbed study failed: {folder / 'reference.log'}")
    expected = tables(reference)
    alone = time.monotonic() - begin
    console.print(f"undisturbed study: {alone:.0f} s, {len(expected)} tables", highlight=False)
    wait = min(alone / 10, 4)  # so that a call lives as long as a few jobs
    full_disk(folder, expected, dice, tally)
    clock(folder, expected, wait, dice, tally)
    beside(folder, expected, wait, dice, tally)
    shared_store(folder, expected, wait, begin + 60 * minutes, share, dice, tally)
    return tally


def show(tally: Tally, seed: int, seconds: float) -> None:
    """Print what was injected, and what came of it."""
    table = Table("fault", "injected", "survived", title=f"Seed {seed}, {seconds / 60:.1f} minutes")
    for fault, said in SAID.items():
        if fault in tally.skipped:
            table.add_row(said, "skipped", tally.skipped[fault])
        else:
            table.add_row(said, str(tally.injected[fault]), str(tally.survived[fault]))
    console.print(table)
    injected, survived = tally.injected.total(), tally.survived.total()
    totals = Table("injected", "survived", "lost", "different", "studies", "computed", "again")
    totals.add_row(
        *map(str, (injected, survived, tally.lost, tally.different, tally.studies)),
        *map(str, (tally.computed.total(), tally.again)),
    )
    console.print(totals)
    for sentence in tally.faults:
        console.print(sentence, highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=0, help="go on for at least so long")
    parser.add_argument("--seed", type=int, default=None, help="of all random choices")
    parser.add_argument("--share", type=float, default=1, help="of the usual numbers of faults")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; not removed")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="rdpipe-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    console.print(f"seed {seed}, in {folder}", highlight=False, soft_wrap=True)
    begin = time.monotonic()
    tally = soak(folder, seed, asked.minutes, asked.share)
    show(tally, seed, time.monotonic() - begin)
    if tally.faults:
        sys.exit(1)
    if asked.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
