"""What differs between two results, and why a result would be computed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpipe.common.errors import RdpipeError
from rdpipe.overview.results import Job, Record, Results, read_record
from rdpipe.overview.studies import owners
from rdpipe.store.digests import digest
from rdpipe.store.fingerprint import parts
from rdpipe.study.plan import RESULTS, RUN_STAGES, Node, RunAxes

MADE = ("device", "threads", "pack", "host", "platform")  # how a result was made, beside versions
MOST = 200  # characters of a value that is shown
DIGEST = ", digest "  # in the words for a list that is too long to be shown
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
        return f"{len(value):,} values{DIGEST}{digest(value)[:10]}"
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


@dataclass(frozen=True)
class Reason:
    """Why snakemake would start some jobs of a node.

    Attributes
    ----------
    missing, total
        How many results are missing, and how many the node has.
    note
        What is known of the missing results: `stored`, `new` (no earlier result has this name), or
        the empty string.
    study
        The other study whose result is the earlier one; the empty string if it may be this study's.
    changed
        What changed since the newest earlier result of the same name: settings and modules of its
        own. Empty if only its inputs changed, or if it has just not been computed yet.
    """

    missing: int
    total: int
    note: str = ""
    study: str = ""
    changed: tuple[str, ...] = ()

    @property
    def alike(self) -> tuple[Any, ...]:
        """What nodes have in common that are told together."""
        return self.missing == self.total, self.note, self.study, self.changed


def why(results: Results, node: Node, jobs: list[Job]) -> Reason:
    """Why snakemake would start some jobs of a node."""
    total = len(results.runs_of(node))
    missing = total - len(results.existing(node))
    if all(job.stored == len(job.runs) for job in jobs):
        return Reason(missing, total, "stored")
    if missing < total:
        return Reason(missing, total)
    earlier, study = _earlier(results, node)
    if earlier is None:
        return Reason(missing, total, "new")
    return Reason(missing, total, "", study, tuple(_changes(node, earlier)))


def _changes(node: Node, earlier: Record) -> Iterator[str]:
    """Settings and modules of a node that differ from those of an earlier record."""
    before, now = dict(earlier["settings"]), dict(node.settings)
    for name in ("run", "made_with"):
        before.pop(name, None)
    if node.stage == "tables":
        yield from _changed_runs(before.pop("runs", []), now.pop("runs", []))
    for name, old, new in _differences("", before, now):
        long = any(DIGEST in value for value in (old, new))
        yield f"{name} changed" if long else f"{name} was {old}, is {new}"
    if earlier["code"] == node.code:
        return
    if modules := earlier.get("modules"):
        for name, _, _ in _differences("", modules, parts(node.modules)):
            yield f"code of {name} changed"
    else:
        yield "its code changed (the earlier record does not say which module)"


def _changed_runs(before: list[RunAxes], now: list[RunAxes]) -> Iterator[str]:
    """Whether a table has other runs. Other lengths of training follow from the training."""
    old, new = (
        {tuple(value for axis, value in run.items() if axis != "iteration") for run in runs}
        for runs in (before, now)
    )
    if old != new:
        yield f"its runs changed: {len(old - new):,} went, {len(new - old):,} came"


def _earlier(results: Results, node: Node) -> tuple[Record | None, str]:
    """The newest earlier result with the name of a node, and the other study that it belongs to.

    A name may be one of several studies. So results of this study come first, then those that
    belong to no study at present, then those of other studies.
    """
    folder = Path(RESULTS, node.stage)
    pattern = f"{node.name}-{'[0-9a-f]' * 10}"
    owned = owners()
    own = results.plan.study.name
    found: list[tuple[int, str, str, Record]] = []
    for path in folder.glob(f"{pattern}.csv" if node.stage == "figures" else pattern):
        file = path if path.is_file() else _first_file(path, node.stage)
        if file and (record := read_record(str(file.resolve().parent))):
            studies = owned.get(str(path.relative_to(RESULTS)).removesuffix(".csv"), [])
            rank = 2 if own in studies else 1 if not studies else 0
            other = studies[0] if rank == 0 else ""
            found.append((rank, str(record.get("start")), other, record))
    if not found:
        return None, ""
    *_, other, record = max(found, key=lambda one: one[:2])
    return record, other


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
    alike: dict[tuple[Any, ...], dict[str, Reason]] = {}
    for (stage, name), of_node in jobs.items():
        reason = why(results, of_node[0].node, of_node)
        alike.setdefault((stage, *reason.alike), {})[name] = reason
    return [_told(key[0], together) for key, together in alike.items()]


def _told(stage: str, nodes: Mapping[str, Reason]) -> tuple[str, str, list[str]]:
    """Nodes with the same reason, in words."""
    one = next(iter(nodes.values()))
    missing = sum(reason.missing for reason in nodes.values())
    total = sum(reason.total for reason in nodes.values())
    several = total > 1
    text = f"{missing:,} of {total:,} results are missing" if several else "is missing"
    if one.note == "stored":
        text += f"; the store has {'them' if several else 'it'}"
    elif one.note == "new":
        names = "these names" if len(nodes) > 1 else "this name"
        text += f", and no earlier one of {names} is in {RESULTS}/"
    if one.study and one.changed:
        text += f"; the newest earlier one is of the study {one.study}"
    return f"{stage} {_listed(list(nodes))}", text, list(one.changed)


def _listed(names: list[str]) -> str:
    return (
        ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
    )
