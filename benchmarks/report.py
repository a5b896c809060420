"""The tables of docs/performance.md, from the numbers of the benchmarks.

python benchmarks/report.py docs/performance [--write docs/performance.md]
"""

import argparse
import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convolutions import WAYS
from plot import Rows, read, those
from workflow import PACKS, paper

from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from rdpipe.vae import costs, networks

RELATIONS = {"≥": operator.ge, "≤": operator.le}


@dataclass(frozen=True)
class Target:
    """A figure that a benchmark should reach: `key` of the rows of `file` that have `axes`.

    Of several rows, such as those of different precisions, the best counts.
    """

    what: str
    relation: str
    asked: float
    form: tuple[str, str]  # of what is asked, and of what was measured
    file: str
    key: str
    axes: Mapping[str, Any]

    def line(self, folder: Path) -> tuple[str, str, str, str]:
        """The cells of a row: what, target, measured, met."""
        rows = those(read(folder, self.file), **self.axes)
        values = [row[self.key] for row in rows if row.get(self.key) is not None]
        asked = f"{self.relation} {self.form[0].format(self.asked)}"
        if not values:
            why = "needs a GPU" if self.file.endswith("cuda") else "not measured"
            return self.what, asked, why, ""
        best = max(values) if self.relation == "≥" else min(values)
        met = RELATIONS[self.relation](best, self.asked)
        return self.what, asked, self.form[1].format(best), "yes" if met else "no"


PACKED = {"arch": "mlp-1", "method": "rdpipe", "runs": 12}
PACKED_CUDA = {**PACKED, "runs": 60}
TIMES, SHARE, SECONDS = ("{:g} ×", "{:.2f} ×"), ("{:.0%}", "{:.0%}"), ("{:g} s", "{:.1f} s")
PAPER = {"study": "paper"}
TARGETS = (
    Target("mlp-1, float32, packed, per run: plain loop", "≥", 1.7, TIMES, "train",
           "ratio_to_plain", {**PACKED, "precision": "float32"}),
    Target("mlp-1, float32, packed, per run: pythae", "≥", 2, TIMES, "train",
           "ratio_to_pythae", {**PACKED, "precision": "float32"}),
    Target("mlp-1, float32, packed: share of the product peak", "≥", 0.75, SHARE, "train",
           "share_of_peak", {**PACKED, "precision": "float32"}),
    Target("mlp-1, bf16 products, packed, per run: plain loop", "≥", 3, TIMES, "train",
           "ratio_to_plain", {**PACKED, "precision": "bfloat16"}),
    Target("GPU, mlp-1, packed, per run: plain loop", "≥", 10, TIMES, "train_cuda",
           "ratio_to_plain", PACKED_CUDA),
    Target("GPU, mlp-1, packed: share of the counted bound", "≥", 0.5, SHARE, "train_cuda",
           "share_of_bound", PACKED_CUDA),
    Target("GPU, mlp-1, single run: plain loop", "≥", 4, TIMES, "train_cuda",
           "ratio_to_plain", {**PACKED, "runs": 1}),
    Target("163,840 images drawn and written, 2 cores", "≤", 15, SECONDS, "generation",
           "seconds", {"step": "dataset, 2 threads"}),
    Target("paper's study, dry run, single", "≤", 45, SECONDS, "workflow",
           "seconds", {**PAPER, "call": "dry run", "pack": 1}),
    Target("paper's study, dry run, packed", "≤", 15, SECONDS, "workflow",
           "seconds", {**PAPER, "call": "dry run", "pack": 60}),
    Target("paper's study, all done, called again, single", "≤", 60, SECONDS, "workflow",
           "seconds", {**PAPER, "call": "all done", "pack": 1}),
    Target("a job that is a store hit", "≤", 1, SECONDS, "store",
           "seconds", {"what": "hit"}),
    Target("modules of torch that a store hit imports", "≤", 0, ("{}", "{}"), "store",
           "torch_modules", {"what": "hit"}),
    Target("tables from 6,240 runs", "≤", 15, SECONDS, "tables",
           "seconds", {"runs": 6240}),
)  # fmt: skip


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table that reads well as text, too."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    ruled = [head, ["-" * width for width in widths], *lines]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in ruled
    )


def targets(folder: Path) -> str:
    """The table of targets."""
    lines = [target.line(folder) for target in TARGETS]
    return markdown(("what", "target", "measured", "met"), lines)


TRAINING = {
    "arch": ("arch", "{}"), "method": ("method", "{}"), "runs": ("R", "{}"),
    "precision": ("precision", "{}"), "model_steps_per_second": ("model-steps/s", "{:.1f}"),
    "ratio_to_plain": ("/ plain", "{:.2f}"), "ratio_to_pythae": ("/ pythae", "{:.2f}"),
    "ratio_to_vmap": ("/ vmap", "{:.2f}"), "share_of_peak": ("of product peak", "{:.0%}"),
    "share_of_parts": ("of its parts", "{:.0%}"),
}  # fmt: skip
TRAINING_CUDA = {key: cell for key, cell in TRAINING.items() if key != "ratio_to_pythae"} | {
    "share_of_bound": ("of bound", "{:.0%}"), "bound": ("the bound is", "{}"),
}  # fmt: skip
AGREEMENT = {
    "arch": ("arch", "{}"), "device": ("device", "{}"), "precision": ("precision", "{}"),
    "beta": ("β", "{:g}"),
    **{
        f"{part}{key}": (f"{part}{head}", form)
        for part in "DR"
        for key, head, form in (
            ("", "", "{:.2f}"), ("_deviation_over_seeds", ": sd over seeds", "{:.2f}"),
            ("_mean_difference", ": mean difference", "{:+.3f}"),
            ("_rms_difference", ": rms", "{:.3f}"),
        )
    },
}  # fmt: skip
GRAPHS = {
    "arch": ("arch", "{}"), "runs": ("R", "{}"), "graphs": ("graphs", "{}"),
    "model_steps_per_second": ("model-steps/s", "{:.0f}"),
    "largest_difference": ("largest difference of D and R", "{:g}"),
    "allocated_gb": ("GB taken", "{:.2f}"), "counted_gb": ("GB counted", "{:.2f}"),
}  # fmt: skip
EVALUATION = {
    "arch": ("arch", "{}"), "seconds": ("seconds", "{:.1f}"), "peak_gb": ("GB", "{:.1f}"),
}  # fmt: skip
DIAGNOSTICS = {
    "arch": ("arch", "{}"), "measure": ("measure", "{}"),
    "cpu_seconds": ("processor seconds", "{:.1f}"), "steps": ("steps", "{}"),
    "per_1000_steps": ("for 1,000 steps", "{:.0f}"),
}  # fmt: skip
CONVOLUTIONS = {
    "arch": ("arch", "{}"), "runs": ("R", "{}"), **{way: (way, "{:.2f}") for way in WAYS},
}  # fmt: skip


def table(rows: Rows, columns: Mapping[str, tuple[str, str]]) -> str:
    """Rows as they were measured: the columns' headings and forms by key."""
    lines = [
        ["" if row.get(key) is None else form.format(row[key])
         for key, (_, form) in columns.items()]
        for row in rows
    ]  # fmt: skip
    return markdown([head for head, _ in columns.values()], lines)


def largest(rows: Rows, **axes: Any) -> Mapping[str, Any]:
    """The row of most runs, from which to go on in proportion."""
    return max(those(rows, **axes), key=lambda row: row["runs"])


def run_mb(store: Rows) -> float:
    """Megabytes of a run in the store, on average over the paper's study."""
    plan = Plan(read_study(paper()))
    archs = Counter("-".join(name.partition("/")[2].split("-")[:2]) for name in plan.training)
    sizes = Counter()
    for row in those(store, what="object"):
        sizes[row["arch"]] += row["mb"]
    return sum(sizes[arch] * count for arch, count in archs.items()) / archs.total()


def outlook(folder: Path) -> str:
    """What studies larger than the paper's would take, in proportion to what was measured."""
    workflow, store, tables = (read(folder, name) for name in ("workflow", "store", "tables"))
    inodes = those(store, what="run")[0]["inodes"]
    size, table = run_mb(store), largest(tables)
    studies = (6240, 624_000, 1_000_000)

    def planning(call: str, pack: int, key: str, form: str) -> list[str]:
        row = largest(workflow, study="splits", call=call, pack=pack)
        return [form.format(row[key] * runs / row["runs"]) for runs in studies]

    pack = min(PACKS)
    lines = [
        ["dry run, single [s]", *planning("dry run", 1, "seconds", "{:,.0f}")],
        ["its memory [GB]", *planning("dry run", 1, "peak_gb", "{:,.1f}")],
        [f"dry run, packs of {pack} [s]", *planning("dry run", pack, "seconds", "{:,.0f}")],
        ["its memory [GB]", *planning("dry run", pack, "peak_gb", "{:,.1f}")],
        ["all done, single [s]", *planning("all done", 1, "seconds", "{:,.0f}")],
        [f"all done, packs of {pack} [s]", *planning("all done", pack, "seconds", "{:,.0f}")],
        ["jobs, single", *(f"{2 * runs:,}" for runs in studies)],
        [f"jobs, packs of {pack}", *(f"{2 * runs // pack:,}" for runs in studies)],
        ["files, folders and links", *(f"{inodes * runs:,.0f}" for runs in studies)],
        ["store [GB]", *(f"{size * runs / 1000:,.0f}" for runs in studies)],
        [
            "one table of all [s]",
            *(f"{table['seconds'] * n / table['runs']:,.0f}" for n in studies),
        ],
        ["its memory [GB]", *(f"{table['peak_gb'] * n / table['runs']:,.1f}" for n in studies)],
    ]
    return markdown(("runs", *(f"{runs:,}" for runs in studies)), lines)


STUDY = {
    "grows": ("grows", "{}"), "runs": ("runs", "{}"), "images": ("images", "{:,}"),
    "iterations": ("iterations", "{:,}"), "jobs": ("jobs", "{}"), "cores": ("cores", "{}"),
    "seconds": ("seconds", "{:.0f}"), "snakemake": ("Snakemake", "{:.0f}"),
    "rdpipe": ("rdpipe", "{:.0f}"), "products": ("products", "{:.0f}"),
}  # fmt: skip
PEAK = 67e12  # FLOP/s of an H100 in float32, from its data sheet


def gpus() -> str:
    """Days of training of the paper's study by number of GPUs, counted from matrix products.

    Each GPU takes the longest pack that is left, as soon as it is free.
    """
    config = paper()
    runs = len(config["betas"]) * len(config["seeds"])
    batch, iterations = (config["training"][key] for key in ("batch_size", "iterations"))
    study = read_study(config)
    of_packs = []
    for name in Plan(study).training:
        split, arch = name.split("/")
        shape = study.datasets[study.splits[split].dataset].facts.shape
        network = networks.build(study.archs[arch].model_dump(), shape)
        of_packs.append(2 * 3 * costs.products(network) * batch * iterations * runs)
    lines = []
    for number in (1, 4, 64):
        busy = [0.0] * number
        for flop in sorted(of_packs, reverse=True):
            busy[busy.index(min(busy))] += flop / PEAK
        days = max(busy) / 86400
        lines.append([f"{number}", *(f"{days / share:,.2g}" for share in (1, 0.5, 0.1))])
    head = [f"days at {share} % of {PEAK / 1e12:.0f} TFLOP/s" for share in (100, 50, 10)]
    return markdown(["GPUs", *head], lines)


def blocks(folder: Path) -> dict[str, str]:
    """The tables by name."""
    return {
        "targets": targets(folder),
        "training": table(read(folder, "train"), TRAINING),
        "training on a GPU": table(read(folder, "train_cuda"), TRAINING_CUDA),
        "graphs": table(read(folder, "graphs_cuda"), GRAPHS),
        "agreement": table(read(folder, "agreement"), AGREEMENT),
        "agreement on a GPU": table(
            [row for row in read(folder, "agreement_cuda") if row["device"] == "cuda"],
            {"at_once": ("R", "{}"), **AGREEMENT},
        ),
        "convolutions": table(read(folder, "convolutions"), CONVOLUTIONS),
        "evaluation": table(read(folder, "evaluation"), EVALUATION),
        "diagnostics": table(read(folder, "diagnostics"), DIAGNOSTICS),
        "outlook": outlook(folder),
        "study": table(read(folder, "study"), STUDY),
        "gpus": gpus(),
    }


def write(document: Path, tables: Mapping[str, str]) -> None:
    """Put each table between its marks, `<!-- name -->` and `<!-- /name -->`."""
    text = document.read_text("utf-8")
    for name, table in tables.items():
        start, end = (f"<!-- {mark}{name} -->\n" for mark in ("", "/"))
        before, _, rest = text.partition(start)
        _, found, after = rest.partition(end)
        assert found, f"{document} has no place for {name}"
        text = f"{before}{start}{table}\n{end}{after}"
    document.write_text(text, "utf-8")


def main() -> None:
    """Print the tables; with --write, put them into a document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the JSON files are")
    parser.add_argument("--write", type=Path, help="document to put the tables into")
    given = parser.parse_args()
    tables = blocks(given.folder)
    print(*tables.values(), sep="\n\n")
    if given.write:
        write(given.write, tables)


if __name__ == "__main__":
    main()
