"""Draw the growth curves from the JSON files that the benchmarks have written.

python benchmarks/plot.py docs/performance
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

# Okabe and Ito: for all eyes
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLE = {
    "font.size": 9, "axes.titlesize": 9, "legend.fontsize": 8, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "lines.markersize": 4,
    "svg.hashsalt": "rdpipe",
}  # fmt: skip
Rows = Sequence[Mapping[str, Any]]


def read(folder: Path, name: str) -> Rows:
    """Rows of a benchmark; none if it has not been run."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text("utf-8"))["rows"] if path.exists() else []


def those(rows: Rows, **axes: Any) -> Rows:
    """Rows that have these values."""
    return [row for row in rows if all(row.get(key) == value for key, value in axes.items())]


def curve(axes: Axes, rows: Rows, x: str, y: str, label: str, **look: Any) -> None:
    """One curve of a panel."""
    points = sorted((row[x], row[y]) for row in rows)
    if points:
        axes.plot(*zip(*points, strict=True), marker="o", label=label, **look)


def power(axes: Axes, rows: Rows, x: str, y: str, exponent: int, label: str) -> None:
    """A dotted line through the last point: what grows as a power of x."""
    points = sorted((row[x], row[y]) for row in rows)
    if len(points) > 1:
        (_, lowest), (last, value) = points[0], points[-1]
        first = last * (lowest / value) ** (1 / exponent)
        axes.plot([first, last], [lowest, value], color="0.6", linestyle=":", label=label)


def panel(
    axes: Axes, title: str, xlabel: str, ylabel: str, *, x: str = "log", y: str = "log"
) -> None:
    """Name a panel and its axes, whose scales are `x` and `y`; linear ones begin at 0."""
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale=x, yscale=y)
    axes.set(**{f"{name}lim": (0, None) for name, kind in (("x", x), ("y", y)) if kind == "linear"})
    if y == "log":
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
        axis.set_minor_formatter(NullFormatter())
    axes.legend()


def planning(rows: Rows) -> Figure:
    """Time and memory of planning by runs, and time by the size of packs."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    time, memory, packs = figure.subplots(1, 3)
    by_splits = those(rows, study="splits")
    for colour, packing in zip(COLOURS, ("single", "packed"), strict=False):
        chosen = [row for row in by_splits if (row["pack"] == 1) == (packing == "single")]
        for call, linestyle in (("dry run", "-"), ("all done", "--")):
            look = {"color": colour, "linestyle": linestyle}
            curve(time, those(chosen, call=call), "runs", "seconds", f"{call}, {packing}", **look)
        curve(memory, those(chosen, call="dry run"), "runs", "peak_gb", packing, color=colour)
        if packing == "single":
            power(time, those(chosen, call="dry run"), "runs", "seconds", 1, "in proportion")
    panel(time, "Planning", "runs", "seconds")
    panel(memory, "Its memory", "runs", "GB")
    of_packs = those(rows, study="packs")
    curve(packs, of_packs, "pack", "seconds", "dry run, packed", color=COLOURS[1])
    title = f"{of_packs[0]['runs']:,} runs in packs" if of_packs else ""
    panel(packs, title, "runs of a pack", "seconds", x="linear", y="linear")
    return figure


def growth(store: Rows, tables: Rows, neighbours: Rows) -> Figure:
    """Store lookup by objects, tables by runs, neighbours by images."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    lookup, table, near = figure.subplots(1, 3)
    found = those(store, what="lookup")
    for colour, key in zip(COLOURS, ("hit", "miss"), strict=False):
        curve(lookup, found, "objects", f"{key}_us", key, color=colour)
    panel(lookup, "Looking into the store", "objects", "microseconds", y="linear")
    curve(table, tables, "runs", "seconds", "seconds", color=COLOURS[0])
    curve(table, tables, "runs", "peak_gb", "GB", color=COLOURS[1], linestyle="--")
    power(table, tables, "runs", "seconds", 1, "in proportion")
    panel(table, "Tables of one experiment", "runs", "seconds, GB")
    curve(near, neighbours, "images", "seconds", "seconds", color=COLOURS[0])
    curve(near, neighbours, "images", "peak_gb", "GB", color=COLOURS[1], linestyle="--")
    power(near, neighbours, "images", "seconds", 2, "as N²")
    panel(near, "Nearest neighbours, N among N", "N", "seconds, GB")
    return figure


def study(rows: Rows) -> Figure:
    """Wall time of whole studies: its shares on one core, and lines for more cores."""
    figure = Figure(figsize=(10, 3.0), layout="constrained")
    panels = {
        ("runs", False): "runs, one a job",
        ("runs", True): "runs, packed",
        ("images", True): "images",
        ("iterations", True): "iterations of each run",
    }
    panels = {
        (grows, pack): label
        for (grows, pack), label in panels.items()
        if len({row[grows] for row in those(rows, grows=grows, pack=pack)}) > 1
    }
    cores = sorted({row["cores"] for row in rows})
    drawn = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, ((grows, pack), label) in zip(drawn, panels.items(), strict=True):
        chosen = sorted(those(rows, grows=grows, pack=pack), key=lambda row: row[grows])
        one, below = those(chosen, cores=1), 0.0
        x = [row[grows] for row in one]
        for colour, share in zip(COLOURS, ("products", "rdpipe", "snakemake"), strict=False):
            top = [low + row[share] for low, row in zip(_floor(below, x), one, strict=True)]
            axes.fill_between(x, _floor(below, x), top, color=colour, alpha=0.35, label=share)
            below = top
        for number, style in zip(cores, ("-", "--", ":"), strict=False):
            some = those(chosen, cores=number)
            label_ = f"{number} core{'s' * (number > 1)}"
            curve(axes, some, grows, "seconds", label_, color="black", linestyle=style)
        panel(axes, "", label, "seconds", x="linear", y="linear")
        if axes is not drawn[0]:
            axes.get_legend().remove()
    return figure


def _floor(below: float | list[float], x: list[float]) -> list[float]:
    return below if isinstance(below, list) else [below] * len(x)


def packing(rows: Rows) -> Figure:
    """Speed of the engine by the number of runs trained together."""
    figure = Figure(figsize=(4.5, 3.2), layout="constrained")
    axes = figure.subplots()
    ours = those(rows, method="rdpipe")
    kinds = dict.fromkeys((row["arch"], row["precision"]) for row in ours)
    for colour, (arch, precision) in zip(cycle(COLOURS), kinds):
        chosen = those(ours, arch=arch, precision=precision)
        curve(axes, chosen, "runs", "ratio_to_plain", f"{arch}, {precision}", color=colour)
    ylabel = "speed of a run / plain loop's"
    panel(axes, f"Training, {ours[0]['device']}", "runs trained together", ylabel, y="linear")
    return figure


def draw(folder: Path) -> Iterable[Path]:
    """Draw every figure whose numbers are there."""
    names = ("study", "workflow", "store", "tables", "neighbours", "packing", "packing_cuda")
    rows = {name: read(folder, name) for name in names}
    with matplotlib.rc_context(STYLE):
        figures = {
            "planning": planning(rows["workflow"]) if rows["workflow"] else None,
            "growth": growth(rows["store"], rows["tables"], rows["neighbours"]),
            "study": study(rows["study"]) if rows["study"] else None,
            "packing": packing(rows["packing"]) if rows["packing"] else None,
            "packing_cuda": packing(rows["packing_cuda"]) if rows["packing_cuda"] else None,
        }
        for name, figure in figures.items():
            if figure:
                path = folder / f"{name}.svg"
                figure.savefig(path, metadata={"Date": None})
                yield path


def main() -> None:
    """Draw, and say what was drawn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the JSON files are, and figures go")
    for path in draw(parser.parse_args().folder):
        print(path)


if __name__ == "__main__":
    main()
