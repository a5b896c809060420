"""Run every benchmark and end with the table of targets.

    python benchmarks/all.py            # small sizes: ten minutes on two cores
    python benchmarks/all.py --full     # all that docs/performance.md shows: over an hour

If a benchmark fails, the others still run. The end names the benchmarks that failed.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import plot
import report
import torch
from _common import ROOT

QUICK = {
    "generation": [],
    "neighbours": [],
    "evaluation": ["--archs", "mlp-1"],
    "diagnostics": ["--steps", "100"],
    "store": [],
    "verify": [],
    "tables": [],
    "workflow": [],
    "study": ["--runs", "6", "--iterations", "50"],
    "train": ["--archs", "mlp-1"],
    "train_cuda": ["--device", "cuda", "--archs", "mlp-1"],
}
FULL = {
    "generation": [],
    "neighbours": ["--images", "2048", "4096", "8192", "16384", "32768", "81920"],
    "evaluation": [],
    "diagnostics": ["--archs", "mlp-1", "mlp-3"],
    "convolutions": [],
    "store": ["--objects", "1000", "3000", "10000", "30000", "100000"],
    "verify": [],
    "tables": ["--runs", "120", "1200", "6240", "12000", "48000"],
    "workflow": ["--runs", "120", "1200", "12000", "48000", "--packs", "60", "240", "600", "1200"],
    "study": ["--runs", "6", "12", "24", "48", "--images", "1024", "4096", "16384",
              "--iterations", "200", "800", "3200"],
    "live": [],
    "agreement": [],
    "train": [],
    "train_cuda": ["--device", "cuda"],
    "packing": ["--archs", "mlp-1", "mlp-3", "cnn-1", "--runs", "1", "2", "4", "12", "30", "60",
                "--precision", "float32", "--only", "plain loop", "rdpipe"],
    "packing_cuda": ["--device", "cuda", "--archs", "mlp-1", "mlp-3", "cnn-1",
                     "--runs", "1", "2", "4", "12", "30", "60", "120",
                     "--only", "plain loop", "rdpipe"],
}  # fmt: skip
"""File to write -> arguments. Those of a GPU are run where there is one."""


def run(name: str, arguments: list[str], folder: Path) -> bool:
    """Run the benchmark that writes a file of this name; whether it succeeded."""
    training = name.partition("_")[0] in ("train", "packing")
    script = ROOT / "benchmarks" / f"{'train_throughput' if training else name}.py"
    path, start = folder / f"{name}.json", time.perf_counter()
    path.unlink(missing_ok=True)  # an old number must not stand for a new one
    print(f"\n== {name}", flush=True)
    code = subprocess.run([sys.executable, str(script), *arguments, "--json", str(path)]).returncode
    print(f"== {name} took {time.perf_counter() - start:.0f} s", flush=True)
    return code == 0


def main() -> None:
    """Run, then print the targets; after a full run, draw the figures and fill the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="all sizes, figures and document")
    parser.add_argument("--only", nargs="+", choices=FULL, help="these benchmarks alone")
    given = parser.parse_args()
    docs = ROOT / "docs"
    folder = docs / "performance" if given.full else ROOT / "results/benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    steps = FULL if given.full else QUICK
    if not torch.cuda.is_available():
        steps = {name: steps[name] for name in steps if not name.endswith("cuda")}
    failed = [
        name
        for name, arguments in steps.items()
        if name in (given.only or steps) and not run(name, arguments, folder)
    ]
    print(f"\n{report.targets(folder)}")
    if failed:
        sys.exit(f"\nfailed: {', '.join(failed)}")
    if given.full:
        report.write(docs / "performance.md", report.blocks(folder))
        print(*plot.draw(folder), sep="\n")


if __name__ == "__main__":
    main()
