"""Shared by the benchmarks: the library of this checkout, costs of a process, rows shown and saved.

This module needs only numpy, because `train_throughput.py` must run with few packages installed.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from rdpipe.common.files import write_json

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "pandas", "pyarrow", "snakemake", "torch")

Row = Mapping[str, Any]
T = TypeVar("T")


def parser(description: str | None) -> argparse.ArgumentParser:
    """A command line with the option that all have."""
    options = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    options.add_argument("--json", type=Path, help="where to write the numbers")
    return options


def machine() -> dict[str, Any]:
    """What numbers depend on, and no name of a host or a person."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    torch = sys.modules.get("torch")  # of benchmarks that do without, there is nothing to tell
    gpu = torch is not None and torch.cuda.is_available()
    versions = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.system(),
        "threads": torch.get_num_threads() if torch else None,
        "gpu": torch.cuda.get_device_name() if gpu else None,
        "cuda": torch.version.cuda if gpu else None,
        "python": platform.python_version(),
        **versions,
        "commit": commit(),
    }


def commit() -> str | None:
    """That of this checkout, "-dirty" if code or workflow differ from it; None outside of git."""

    def git(*arguments: str) -> str:
        call = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()

    with suppress(OSError, subprocess.CalledProcessError):
        changed = git("status", "--porcelain", "src", "benchmarks", "workflow", "profiles")
        return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")
    return None


def show(title: str, rows: Iterable[Row], columns: Mapping[str, str]) -> list[Row]:
    """Print rows as they come in, and return them.

    Parameters
    ----------
    title
        Stands above the table.
    rows
        One mapping a row.
    columns
        Key of each column -> format of its values, as in "{:.1f}"; a row may lack some.
    """
    names = [key.replace("_", " ") for key in columns]
    widths = [max(len(name), 10) for name in names]
    print(f"\n{title}\n", *map(str.rjust, names, widths))
    kept = []
    for row in rows:
        kept.append(row)
        cells = ("" if row.get(key) is None else columns[key].format(row[key]) for key in columns)
        print("", *map(str.rjust, cells, widths), flush=True)
    return kept


def save(path: Path | None, rows: Iterable[Row]) -> None:
    """Write rows as JSON, with the machine and the command; to nowhere if there is no path."""
    if path:
        script, *arguments = sys.argv
        if "--json" in arguments:
            at = arguments.index("--json")
            del arguments[at : at + 2]
        command = " ".join(["python", f"benchmarks/{Path(script).name}", *arguments])
        write_json(path, {"command": command, "machine": machine(), "rows": list(rows)})


def measured(step: Callable[..., Any], *args: Any, **settings: Any) -> dict[str, float]:
    """Seconds that a step takes, and the most memory its process ever held, in GB."""
    start = time.perf_counter()
    step(*args, **settings)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def alone(step: Callable[..., Any], *args: Any, **settings: Any) -> dict[str, float]:
    """The same in a new process, whose peak of memory is the step's own."""
    return apart(measured, step, *args, **settings)


def apart(step: Callable[..., T], *args: Any, **settings: Any) -> T:
    """Take a step in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(step, args, settings)


def snakemake(folder: Path, *arguments: str, **variables: str) -> tuple[dict[str, float], str]:
    """Call this checkout's workflow on a folder that holds a config.yaml.

    Returns
    -------
    tuple of dict and str
        Wall time and peak memory, as `measured` has them, processor time beside them, and what was
        printed.
    """
    command = [sys.executable, "-m", "snakemake", *arguments]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--workflow-profile", str(ROOT / "profiles/default")]
    printed = folder / "printed.txt"
    start = time.perf_counter()
    with printed.open("w") as file:
        child = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **variables}
        )
        _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    text = printed.read_text("utf-8")
    if child.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{text[-4000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_gb": usage.ru_maxrss / 1e6}, text
