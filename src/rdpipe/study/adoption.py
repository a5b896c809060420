"""Adopting the results of a stage after a neutral edit: samples are recomputed by Snakemake itself.

A sample is computed by the jobs of the workflow in a folder of its own. There the store has all
objects of other stages, so only the sample is computed.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from rdpipe.common.devices import visible_devices
from rdpipe.common.errors import RdpipeError
from rdpipe.store.adopting import Record, adopt, by_task, difference, records, task
from rdpipe.store.digests import digest
from rdpipe.store.objects import Store, record_of
from rdpipe.store.provenance import processor
from rdpipe.study.plan import RESULTS, RUN_STAGES, Node, Plan, RunAxes, file_of

FILES = {  # of each stage, one file of a result
    "datasets": "manifest.json",
    "splits": "manifest.json",
    "neighbours": "distances.parquet",
    "training": "run.json",
    "evaluation": "metrics.parquet",
    "tables": "rd.parquet",
}


@dataclass(frozen=True)
class Adopted:
    """What an adoption did: how many objects were compared, adopted, and found damaged."""

    compared: int
    adopted: int
    damaged: int


def adopt_stage(
    plan: Plan,
    stage: str,
    overlays: Sequence[Path],
    *,
    sample: float,
    tolerance: float,
    say: Callable[[str], None],
) -> Adopted:
    """Adopt all results of a stage that older code has computed.

    Parameters
    ----------
    plan
        The plan of the study, with the edited code.
    stage
        Name of the stage.
    overlays
        The overlays of the study.
    sample
        How many results to recompute and compare, for each set of modules; infinite for all.
    tolerance
        The largest relative difference of numbers; it counts only for what a GPU computes.
    say
        Is told of each step.

    Raises
    ------
    RdpipeError
        If there is nothing to adopt, or a result cannot be recomputed, or differs.
    """
    store = Store(Path(plan.study.store))
    nodes = list(getattr(plan, stage).values())
    codes = {node.code for node in nodes}
    others, old = [], []
    for record in records(store):
        if record["stage"] != stage:
            others.append(record)
        elif record["code"] not in codes:
            old.append(record)
    if not old:
        raise RdpipeError(
            f"{store.root} has no results of {stage} by older code; none are adopted."
        )
    tasks = by_task(old)
    settings = {digest(record["settings"]) for record in old}
    pairs: Counter[tuple[str, str]] = Counter()  # (old code, new code) -> results found equal
    with TemporaryDirectory(prefix="rdpipe-adopt-") as temporary:
        folder = Path(temporary)
        _prepare(folder, store, others)
        for code in sorted(codes):
            candidates = _candidates(plan, [n for n in nodes if n.code == code], settings)
            compared = 0
            while candidates and compared < sample:
                number = int(min(len(candidates), sample - compared))
                paths, candidates = candidates[:number], candidates[number:]
                say(f"recomputing {', '.join(paths)}")
                _snakemake(folder, paths, overlays)
                for path in paths:
                    made = (folder / path).resolve().parent
                    record = record_of(made, made.name)
                    for rival in tasks.get(task(record), [])[:1]:
                        _check(path, store.path(rival["key"]), made, record, tolerance)
                        pairs[rival["code"], code] += 1
                        compared += 1
    if not pairs:
        raise RdpipeError(
            f"no result of {stage} in this study was also computed by older code; none are adopted."
        )
    return _adopt(store, old, pairs, tolerance)


def _candidates(plan: Plan, nodes: list[Node], settings: set[str]) -> list[str]:
    """One file of each result that older code has computed here, in an order that mixes nodes."""
    runs = {stage: plan.runs(tuple(plan.values), {}) for stage in RUN_STAGES}
    found = (
        _file(node, run)
        for node in nodes
        for run in runs.get(node.stage, [{}])
        if digest({**node.settings, "run": dict(run)}) in settings and _was_computed(node, run)
    )
    return sorted(found, key=digest)


def _was_computed(node: Node, run: RunAxes) -> bool:
    """Whether these results have the same result under another address."""
    path = _file(node, run)
    others = Path().glob(path.replace(node.address, f"{node.name}-{'?' * 10}"))
    return any(other.as_posix() != path for other in others)


def _file(node: Node, run: RunAxes) -> str:
    if node.stage == "figures":
        return f"{RESULTS}/figures/{node.address}.pdf"
    name = file_of(node.name) if node.stage == "diagnostics" else FILES[node.stage]
    return node.files(name, [run])[0] if node.stage in RUN_STAGES else node.file(name)


def _prepare(folder: Path, store: Store, others: list[Record]) -> None:
    """Make a folder that Snakemake takes for this checkout, with results of other stages alone."""
    for path in Path().absolute().iterdir():
        if path.name not in (RESULTS, ".snakemake"):
            (folder / path.name).symlink_to(path)
    inside = Store(folder / RESULTS / "store")
    for record in others:
        link = inside.path(record["key"])
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(store.path(record["key"]).absolute())
    settings: dict[str, object] = {"store": f"{RESULTS}/store"}
    if not visible_devices():  # on a CPU, packing changes no bit, and a pack is more than a sample
        settings |= {stage: {"pack": []} for stage in RUN_STAGES}
    (folder / "adopt.yaml").write_text(yaml.safe_dump(settings), "utf-8")


def _snakemake(folder: Path, paths: list[str], overlays: Sequence[Path]) -> None:
    """Let Snakemake make some files in a folder."""
    log = Path(RESULTS, "logs", "adopt.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    configs = [*(str(path.absolute()) for path in overlays), "adopt.yaml"]
    call = [sys.executable, "-m", "snakemake", *paths, "--cores", "all", "--configfile", *configs]
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(call, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        raise RdpipeError(f"the sample cannot be recomputed ({log}), so nothing is adopted.")


def _check(path: str, old: Path, new: Path, record: Record, tolerance: float) -> None:
    """Stop the adoption if a recomputed result differs from the one that older code computed."""
    on_cpu = record["device"] == processor()
    if differs := difference(old, new, 0 if on_cpu else tolerance):
        raise RdpipeError(
            f"{path}: {differs} from that of {old}, so the edit is not neutral here, and nothing "
            "is adopted."
        )


def _adopt(
    store: Store, old: list[Record], pairs: Counter[tuple[str, str]], tolerance: float
) -> Adopted:
    adopted = damaged = 0
    for (before, code), compared in pairs.items():
        how = {"compared": compared, "tolerance": tolerance}
        for record in old:
            if record["code"] == before:
                done = adopt(store, record, code, how)
                adopted, damaged = adopted + done, damaged + (not done)
    return Adopted(pairs.total(), adopted, damaged)
