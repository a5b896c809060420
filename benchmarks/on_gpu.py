"""Everything that a GPU has to show, on a bare machine, in calls of a few minutes.

    python benchmarks/on_gpu.py --out FOLDER [--device cpu] [--tiny] [--steps tests graphs]

The machine needs Python 3.11, PyTorch 2.11, numpy and safetensors. It needs neither Snakemake nor
pydantic nor typer. Step `tests` also needs pytest, hypothesis, pandas and filelock. Step `figure3`
also needs pandas and pyarrow. A step whose packages are missing is skipped, and the table says so.

    tests       the tests that are marked for CUDA
    throughput  model-steps a second beside a plain loop and the machine's peaks
    agreement   R and D beside those of the CPU, and between packings
    graphs      CUDA graphs on and off, and memory against its count
    figure3     the 240 runs of Figure 3 at full length, their evaluation and tables

A call ends within `--minutes`. It keeps what is finished, and the next call goes on. The exit
status is 0 if all steps are done, 3 if another call must go on, and 1 if a step failed or was
skipped. FOLDER has one JSON file a step and, of figure3, three CSV files. Everything large lies in
FOLDER/runs: datasets, models, saved states and logs.

Only one GPU is used, the first that CUDA_VISIBLE_DEVICES lets through. Try a new machine with
`--tiny` first. `--device cpu --tiny` tries the kit without a GPU.
"""

import argparse
import ctypes
import fcntl
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from _common import ROOT

from rdpipe.common.atomic import replacing
from rdpipe.common.files import read_json, write_json

Json = dict[str, Any]
ARCHS = ("mlp-1", "mlp-3", "cnn-1", "cnn-3")
TABLES = ("rd.csv", "rd_summary.csv", "neighbours.csv")
NEEDS = {
    "tests": ("filelock", "hypothesis", "numpy", "pandas", "pytest", "safetensors", "torch"),
    "throughput": ("numpy", "safetensors", "torch"),
    "agreement": ("numpy", "safetensors", "torch"),
    "graphs": ("numpy", "safetensors", "torch"),
    "figure3": ("numpy", "pandas", "pyarrow", "safetensors", "torch"),
}
CUDA_TESTS = ("tests/common", "tests/training")  # others need more packages, and no GPU
GO_ON = 3  # exit status of this script, and of a unit that another call must go on with
PYTEST = (0, 1, 5)  # exit statuses of pytest: all passed, some failed, none found
GRACE = 20  # seconds from a SIGTERM to a SIGKILL
# In place of a GPU. Nothing reads these numbers but the file that lists the devices.
FAKED = {"name": "no GPU: the CPU in its place", "memory_gb": None, "capability": None}
NOTHING: Json = {"torch": None, "visible": [], "devices": []}

TINY = {
    "throughput": ["--width", "8", "--runs", "1", "2", "--rounds", "1", "--seconds", "0.02",
                   "--precision", "float32", "--only", "plain loop", "rdpipe"],
    "agreement": ["--width", "16", "--iterations", "5", "--seeds", "2"],
    "graphs": ["--width", "16", "--runs", "1", "2", "--seconds", "0.02"],
    "figure3": ["--tiny"],
}  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """What is done at one go, and kept.

    Attributes
    ----------
    step, name
        The step it belongs to, and its own name.
    command
        Arguments of Python. {result} stands for the file to write, {runs} for the folder of
        everything large, {seconds} for the time that a resumable unit has.
    judge
        What is wrong with the rows that were written; the empty string if they are sound.
    resumable
        Whether the unit ends by itself in time, with exit status GO_ON, and goes on later.
    """

    step: str
    name: str
    command: tuple[str, ...]
    judge: Callable[[Sequence[Json]], str] = lambda _: ""
    resumable: bool = False

    @property
    def label(self) -> str:
        """Name of its files."""
        return f"{self.step}-{self.name}"


def units(device: str, tiny: bool) -> dict[str, list[Unit]]:
    """The units of each step, in their order."""

    def script(step: str, *arguments: str) -> tuple[str, ...]:
        name = "train_throughput" if step == "throughput" else step
        small = TINY[step] if tiny else []
        return (str(ROOT / f"benchmarks/{name}.py"), *arguments, *small, "--json", "{result}")

    def lacks(rows: Sequence[Json]) -> str:
        return left_out(rows, device, tiny)

    pytest = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default", "-m", "cuda")
    return {
        "tests": [
            Unit("tests", "cuda", (*pytest, "--junitxml", "{result}", *CUDA_TESTS),
                 lambda rows: failing_tests(rows, device)),
        ],
        "throughput": [
            Unit("throughput", arch,
                 script("throughput", "--device", device, "--archs", arch, "--seconds", "0.2"),
                 lacks)
            for arch in ARCHS
        ],
        "agreement": [
            Unit("agreement", arch, script("agreement", "--archs", arch, "--at-once", "1"))
            for arch in ARCHS
        ],
        "graphs": [
            Unit("graphs", arch, script("graphs", "--device", device, "--archs", arch), failed_rows)
            for arch in ARCHS
        ],
        "figure3": [
            Unit("figure3", "study", script("figure3", "{runs}", "--seconds", "{seconds}"),
                 resumable=True),
        ],
    }  # fmt: skip


def failing_tests(rows: Sequence[Json], device: str) -> str:
    """What is wrong with the tests."""
    bad, skipped = ([row["test"] for row in rows if key in row] for key in ("failed", "skipped"))
    if not rows:
        return "pytest found no test that is marked for CUDA"
    if bad:
        return f"{len(bad)} of {len(rows)} tests failed, the first is {bad[0]}"
    if skipped and device == "cuda":
        return f"{len(skipped)} of {len(rows)} tests were skipped, the first is {skipped[0]}"
    return ""


def left_out(rows: Sequence[Json], device: str, tiny: bool) -> str:
    """Which contenders of interest failed; `train_throughput` goes on without them."""
    runs = (1, 2) if tiny else (1, 12, 60)
    precisions = ("float32", "tf32") if device == "cuda" and not tiny else ("float32",)
    wanted = [("plain loop", 1, "float32")]
    wanted += [("rdpipe", number, precision) for number in runs for precision in precisions]
    found = {(row["method"], row["runs"], row["precision"]) for row in rows}
    missing = [" ".join(map(str, one)) for one in wanted if one not in found]
    return f"these contenders failed: {', '.join(missing)}" if missing else ""


def failed_rows(rows: Sequence[Json]) -> str:
    """The first row that failed."""
    bad = [row for row in rows if row.get("failed")]
    return f"{bad[0]['runs']} runs: {bad[0]['failed']}" if bad else ""


def tests_of(junit: Path) -> list[Json]:
    """One row a test from the XML file that pytest writes."""
    rows = []
    for case in ElementTree.parse(junit).iter("testcase"):
        name, seconds = f"{case.get('classname')}::{case.get('name')}", float(case.get("time", 0))
        row: Json = {"test": name, "seconds": seconds}
        for child in case:
            told = (child.get("message") or child.tag).splitlines()[0]
            if child.tag in ("skipped", "failure", "error"):
                row["skipped" if child.tag == "skipped" else "failed"] = told
        rows.append(row)
    return rows


class Folder:
    """FOLDER: where its files lie. FOLDER/runs has everything large."""

    def __init__(self, out: Path) -> None:
        self.out, self.runs, self.new = out, out / "runs", out / "runs/new"
        for folder in (self.new, self.runs / "logs", out / "units"):
            folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self, patience: int = 60) -> Iterator[int]:
        """Keep a second call out; gives the lock's number, which processes hand on.

        What a killed call has started holds the lock until it has ended. So wait for some seconds.
        """
        with (self.runs / "lock").open("w") as lock:
            for _ in range(patience):
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(1)
            else:
                sys.exit(f"{self.out} is in use by another call of this script; wait for its end.")
            killed = (*self.new.iterdir(), *self.out.glob(".*.*"), *self.out.glob("units/.*.*"))
            for path in killed:  # what a killed call has left
                path.unlink()
            yield lock.fileno()

    def log(self, unit: Unit) -> Path:
        """What a unit printed."""
        return self.runs / "logs" / f"{unit.label}.txt"

    def record_path(self, unit: Unit) -> Path:
        """The file of a unit's record."""
        return self.out / "units" / f"{unit.label}.json"

    def record(self, unit: Unit) -> Json:
        """What is known of a unit; empty if nothing is."""
        path = self.record_path(unit)
        return read_json(path) if path.exists() else {}

    def write(self, path: Path, value: Any) -> None:
        """Write a JSON file that is whole at every moment."""
        with replacing(path) as new:
            write_json(new, value)

    def summarise(self, rows: Sequence[Json]) -> None:
        """Write the table of steps; those that this call was not asked for stay as they were."""
        path = self.out / "summary.json"
        known = {row["step"]: row for row in (read_json(path) if path.exists() else [])}
        known |= {row["step"]: row for row in rows}
        self.write(path, [known[step] for step in NEEDS if step in known])

    def merge(self, step: str, of: Sequence[Unit]) -> None:
        """Write the rows of a step's units into one file, in the form of all benchmarks."""
        records = [record for unit in of if (record := self.record(unit)).get("rows")]
        if records:
            rows = [row for record in records for row in record["rows"]]
            told = {name: records[-1].get(name) for name in ("command", "machine")}
            self.write(self.out / f"{step}.json", {**told, "rows": rows})


@dataclass
class Call:
    """One call of this script: when it ends, and where it works."""

    folder: Folder
    lock: int
    command: str
    environment: dict[str, str]
    seconds: float
    start: float
    started: int = 0  # units

    def left(self) -> float:
        """Seconds until this call must have ended."""
        return self.start + self.seconds - time.monotonic()

    def has_time_for(self, unit: Unit, of: Sequence[Unit]) -> bool:
        """Whether a unit can end in this call, judged by the others of its step."""
        took = [self.folder.record(other).get("seconds", 0) for other in of]
        likely = max(took) or self.seconds / 4
        return self.left() > (min(60, self.seconds / 4) if unit.resumable else likely)


def run_unit(call: Call, unit: Unit) -> None:
    """Do a unit, and write its record; none is written if it was only short of time."""
    folder, given, start = call.folder, max(1.0, 0.95 * call.left()), time.monotonic()
    result = folder.new / unit.label
    margin = min(90, given / 5)  # to save a state, which may have gigabytes, and to write tables
    values = {
        "{result}": str(result), "{runs}": str(folder.runs), "{seconds}": f"{given - margin:.1f}",
    }  # fmt: skip
    command = [values.get(argument, argument) for argument in unit.command]
    print(f"{unit.label} … ({folder.log(unit)})", flush=True)
    status = run_process(call, command, folder.log(unit), given)
    record: Json = {"status": "done", "seconds": round(time.monotonic() - start, 1), "why": ""}
    with suppress(OSError, ValueError, SyntaxError):  # no file, or one that a killed process left
        record |= {"rows": tests_of(result)} if unit.step == "tests" else read_json(result)
        record["command"] = call.command
    if status is None:
        if given < 0.8 * call.seconds:
            return
        why = f"it did not end in {given:.0f} s; give more --minutes"
        record |= {"status": "failed", "why": why}
    elif unit.resumable and status == GO_ON:
        record |= {"status": "partly"}
    elif "rows" not in record or status not in (PYTEST if unit.step == "tests" else (0,)):
        record |= {"status": "failed", "why": last_line(folder.log(unit), status)}
    elif why := unit.judge(record["rows"]):
        record |= {"status": "failed", "why": why}
    folder.write(folder.record_path(unit), record)


def run_process(call: Call, command: Sequence[str], log: Path, seconds: float) -> int | None:
    """Exit status of a Python process; None if it had to be ended after so many seconds."""
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=file, stderr=subprocess.STDOUT, cwd=ROOT,
            env=call.environment, start_new_session=True, pass_fds=[call.lock],
            preexec_fn=end_with_parent,
        )  # fmt: skip
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            end(process)
            return None
        except BaseException:  # such as Ctrl-C, which does not reach the session of the process
            end(process)
            raise


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started."""
    with suppress(subprocess.TimeoutExpired):
        process.terminate()
        process.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def end_with_parent() -> None:
    """Let Linux send this process a SIGTERM when this script is killed."""
    set_death_signal = 1  # PR_SET_PDEATHSIG of linux/prctl.h
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGTERM)


def last_line(log: Path, status: int) -> str:
    """The last line of a log, which is where Python says what was wrong."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    told = next((line for line in reversed(lines) if line), "it printed nothing")
    return told if status >= 0 else f"ended by signal {-status}; it printed last: {told}"


def run_step(call: Call, step: str, of: Sequence[Unit]) -> Json:
    """Do the units of a step that are still to be done, and say how far the step is."""
    for unit in of:
        if call.folder.record(unit).get("status") in ("done", "failed"):
            continue
        if call.started and not call.has_time_for(unit, of):
            break
        call.started += 1
        run_unit(call, unit)
        call.folder.merge(step, of)
        if step == "figure3":
            for name in TABLES:
                if (path := call.folder.runs / "tables" / name).exists():
                    with replacing(call.folder.out / name) as new:
                        shutil.copyfile(path, new)
    return outcome(call, step, of)


def outcome(call: Call, step: str, of: Sequence[Unit]) -> Json:
    """The line of a step in the table."""
    records = {unit: call.folder.record(unit) for unit in of}
    done = sum(record.get("status") == "done" for record in records.values())
    whole, what = len(of), "parts"
    progress = call.folder.runs / "progress.json"
    if step == "figure3" and progress.exists():
        rows = read_json(progress)
        done, whole = (sum(row[key] for row in rows) for key in ("evaluated", "runs"))
        what = "runs"
    skips = {
        row["skipped"]: None
        for record in records.values()
        for row in record.get("rows", [])
        if "skipped" in row
    }
    why = f"without: {'; '.join(skips)}" if skips else ""
    row = {"step": step, "status": "done", "done": done, "of": whole, "what": what, "why": why}
    failed = {unit: record for unit, record in records.items() if record.get("status") == "failed"}
    if failed:
        unit, record = next(iter(failed.items()))
        again = f"to try again, remove units/{call.folder.record_path(unit).name}"
        return row | {"status": "failed", "why": f"{unit.name}: {record['why']}; {again}"}
    if any(record.get("status") != "done" for record in records.values()):
        row |= {"status": "partly"}
    return row


def devices(kind: str, connection: Any) -> None:
    """Send the devices that PyTorch sees, from a process of its own: this one starts no CUDA."""
    import torch

    from rdpipe.common.devices import visible_devices

    told: Json = {"torch": torch.__version__, "visible": [], "devices": [FAKED]}
    if kind == "cuda":
        told |= {"visible": visible_devices(), "devices": []}
        for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
            seen = torch.cuda.get_device_properties(i)
            row = {"name": seen.name, "memory_gb": round(seen.total_memory / 1e9, 1)}
            told["devices"].append(row | {"capability": f"{seen.major}.{seen.minor}"})
    connection.send(told)


def look(kind: str) -> Json:
    """The version of PyTorch and the devices; without devices if PyTorch does not start."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=devices, args=(kind, theirs))
    process.start()
    theirs.close()
    try:
        told: Json = ours.recv()
    except EOFError:
        told = NOTHING
    process.join()
    return told


def obstacle(step: str, seen: Json) -> str:
    """Why a step cannot run on this machine; the empty string if it can."""
    missing = [name for name in NEEDS[step] if find_spec(name) is None]
    if missing:
        return f"missing: {' '.join(missing)} (pip install {' '.join(missing)})"
    if not seen["devices"]:
        return "PyTorch finds no GPU; see nvidia-smi, or try the kit with --device cpu --tiny"
    return ""


def environment(kind: str, tiny: bool, visible: Sequence[str]) -> dict[str, str]:
    """Variables of all processes: this checkout's library, and one GPU or none."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    if kind == "cpu":
        variables["CUDA_VISIBLE_DEVICES"] = ""
    elif len(visible) > 1:
        variables["CUDA_VISIBLE_DEVICES"] = visible[0]
    if tiny:
        variables["OMP_NUM_THREADS"] = "1"  # tiny operations are slower on more threads
    return variables


def show(rows: Sequence[Json]) -> None:
    """Print the table of steps."""
    print()
    for row in rows:
        counted = f"({row['done']} of {row['of']} {row['what']})" if row["of"] else ""
        print(f"{row['step']:10}  {row['status']:7}  {counted:18}  {row['why']}".rstrip())


def parse() -> argparse.Namespace:
    """The command line."""
    command_line = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    command_line.add_argument("--out", type=Path, required=True, help="folder of all results")
    command_line.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    command_line.add_argument("--tiny", action="store_true", help="tiny sizes, to try the kit")
    command_line.add_argument("--steps", nargs="+", choices=NEEDS, default=list(NEEDS))
    command_line.add_argument("--minutes", type=float, default=8, help="this call ends within them")
    return command_line.parse_args()


def main() -> None:
    """Go on with the steps, print their table, and say with the exit status how far all is."""
    start, given = time.monotonic(), parse()
    folder = Folder(given.out.resolve())
    with folder.locked() as lock:
        rows = go_on(given, folder, lock, start)
        folder.summarise(rows)
    show(rows)
    states = {row["status"] for row in rows}
    if "partly" in states:
        print("\nCall again to go on.")
    sys.exit(GO_ON if "partly" in states else 0 if states == {"done"} else 1)


def go_on(given: argparse.Namespace, folder: Folder, lock: int, start: float) -> list[Json]:
    """Go on with the steps that are asked for; one row a step."""
    settings = {"device": given.device, "tiny": given.tiny}
    path = folder.out / "machine.json"
    if path.exists() and read_json(path)["settings"] != settings:
        sys.exit(f"{folder.out} has results of other settings; take another folder for {settings}.")
    seen = look(given.device) if find_spec("torch") else NOTHING
    if seen["devices"]:
        folder.write(path, {"settings": settings, **seen})
    variables = environment(given.device, given.tiny, seen["visible"])
    command = f"python benchmarks/on_gpu.py --device {given.device}" + given.tiny * " --tiny"
    call, rows = Call(folder, lock, command, variables, 60 * given.minutes, start), []
    for step, of in units(given.device, given.tiny).items():
        if step not in given.steps:
            continue
        if why := obstacle(step, seen):
            rows.append({"step": step, "status": "skipped", "done": 0, "of": 0, "why": why})
        else:
            rows.append(run_step(call, step, of))
    return rows


if __name__ == "__main__":
    main()
