"""What differs between two results, and why a result would be computed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rdpipe.common.errors import RdpipeError
from rdpipe.overview.results import Job, Record, Results, read_record
from rdpipe.store.digests import digest
from rdpipe.store.fingerprint import parts
from rdpipe.study.plan import RESULTS, RUN_STAGES, Node

MADE = ("device", "threads", "pack", "host", "platform")  # how a result was made, beside versions
MOST = 200  # characters of a value that is shown
NONE = "–"  # stands for a value that one side lacks
Difference = tuple[str, str, str]
"""What differs, and its two values."""


def diff(one: Record, other: Record) -> list[Difference]:
    """What differs between the records of two results, and nothing else."""
    found = list(_differences("settings", one["settings"], other["settings"]))
    found += _code(one, other)
    found += _differences("inputs", one["inputs"], other["inputs"])
    found += _differences("versions", one.get("versions", {}), other.get("versions", {}))
    found += _differences("", *({k: r.get(k) for k in MADE} for r in (one, other)))
    contents = ({k: said["content"] for k, said in r["files"].items()} for r in (one, other))
    found += _differences("content", *contents)
    if one["stage"] != other["stage"]:
        found.insert(0, ("stage", one["stage"], other["stage"]))
    return found


def record_at(place: str, results: Results) -> Record:
    """The record of a result.

    Parameters
    ----------
    place
        A path in `results/`, of a file or a folder; a name of a target; or an object in the store.

    Raises
    ------
    RdpipeError
        If there is no such result.
    """
    for path in _paths(place, results):
        if record := read_record(str(path.resolve().parent if path.is_file() else path)):
            return record
    raise RdpipeError(
        f"{place} is no result with a record; name a file or a folder in {RESULTS}/, or a target "
        "that is made."
    )


def _paths(place: str, results: Results) -> Iterator[Path]:
    """The files that a place may stand for."""
    if nodes := [
        getattr(results.plan, stage)[place]
        for stage in ("figures", "tables")
        if place in getattr(results.plan, stage)
    ]:
        yield Path(results.path(nodes[0], {}))
    path = Path(place)
    yield path
    if path.is_dir():
        yield from sorted(one for one in path.rglob("*") if one.is_symlink())[:1]


def _differences(name: str, one: Any, other: Any) -> Iterator[Difference]:
    """The leaves of two nested values that differ; lists count as leaves unless they are short."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            inner = f"{name}.{key}".removeprefix(".")
            yield from _differences(inner, one.get(key, NONE), other.get(key, NONE))
    elif one != other:
        yield name, _shown(one), _shown(other)


def _shown(value: Any) -> str:
    if isinstance(value, list) and len(str(value)) > MOST:
        return f"{len(value):,} values, digest {digest(value)[:10]}"
    text = str(value)
    if len(text) == 64 and text.isalnum():  # a digest
        return text[:12]
    return text if len(text) <= MOST else f"{text[:MOST]} …"


def _code(one: Record, other: Record) -> list[Difference]:
    if one["code"] == other["code"]:
        return []
    modules = [record.get("modules") for record in (one, other)]
    if not all(modules):  # records of older releases do not list them
        before, after = (str(r.get("commit") or r["code"])[:12] for r in (one, other))
        return [("code", before, after)]
    return list(_differences("code", *modules))


# --- why ------------------------------------------------------------------------------------------


def why(results: Results, node: Node, jobs: list[Job]) -> tuple[str, list[str]]:
    """Why snakemake would start some jobs of a node.

    Returns
    -------
    str
        What is missing.
    list of str
        What changed since the newest earlier result of the same name: settings and modules of its
        own. Empty if only its inputs changed, or if it has just not been computed yet.
    """
    runs = results.runs_of(node)
    number = len(runs) - len(results.existing(node))
    missing = f"{number:,} of {len(runs):,} results are missing" if len(runs) > 1 else "is missing"
    if all(job.stored == len(job.runs) for job in jobs):
        return f"{missing}; the store has {'them' if len(runs) > 1 else 'it'}", []
    if number < len(runs):
        return missing, []
    earlier = _newest(results, node)
    if earlier is None:
        return f"{missing}, and no earlier one of this name is in {RESULTS}/", []
    return missing, list(_changes(node, earlier))


def _changes(node: Node, earlier: Record) -> Iterator[str]:
    """Settings and modules of a node that differ from those of an earlier record."""
    known = {k: v for k, v in earlier["settings"].items() if k not in ("run", "made_with")}
    for name, before, now in _differences("", known, dict(node.settings)):
        yield f"{name} was {before}, is {now}"
    if earlier["code"] == node.code:
        return
    if modules := earlier.get("modules"):
        for name, _, _ in _differences("", modules, parts(node.modules)):
            yield f"code of {name} changed"
    else:
        yield "its code changed (the earlier record does not say which module)"


def _newest(results: Results, node: Node) -> Record | None:
    """The newest record of an earlier result with the name of a node."""
    folder = Path(RESULTS, node.stage)
    pattern = f"{node.name}-{'[0-9a-f]' * 10}"
    found: list[Record] = []
    for path in folder.glob(f"{pattern}.csv" if node.stage == "figures" else pattern):
        file = path if path.is_file() else _first_file(path, node.stage)
        if file and (record := read_record(str(file.resolve().parent))):
            found.append(record)
    return max(found, key=lambda record: str(record.get("start")), default=None)


def _first_file(folder: Path, stage: str) -> Path | None:
    pattern = "beta-*/seed-*/*" if stage in RUN_STAGES else "*"
    return next((path for path in folder.glob(pattern) if path.is_file()), None)


def reasons(results: Results, target: str) -> list[tuple[str, str, list[str]]]:
    """Why snakemake would compute a target: from its datasets on, nodes with something to compute.

    Returns
    -------
    list
        For each node that the target's missing results need: stage and name, what is missing, and
        what changed. Nodes of one stage with the same reason are told together.
    """
    jobs: dict[tuple[str, str], list[Job]] = {}
    for job in results.jobs([target]):
        jobs.setdefault((job.node.stage, job.node.name), []).append(job)
    alike: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (stage, name), of_node in jobs.items():
        missing, changed = why(results, of_node[0].node, of_node)
        alike.setdefault((stage, missing, tuple(changed)), []).append(name)
    return [
        (f"{stage} {_listed(names)}", missing, list(changed))
        for (stage, missing, changed), names in alike.items()
    ]


def _listed(names: list[str]) -> str:
    return (
        ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
    )
