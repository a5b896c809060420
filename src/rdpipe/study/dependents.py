"""Which results of a study rest on others: the plan, read from the inputs on."""

from collections.abc import Iterable
from pathlib import Path

from rdpipe.study.plan import RESULTS, RUN_STAGES, Node, Plan
from rdpipe.study.settings.study import STAGES

ALL = ""  # instead of one run


def links_that_rest_on(plan: Plan, lost: Iterable[Path]) -> list[Path]:
    """All links in `results/` to results that were made from lost ones, directly or not.

    Parameters
    ----------
    plan
        The plan of the study. Results of other studies have no dependents.
    lost
        Links to lost results.
    """
    gone = [path.as_posix() for path in lost]
    parts: dict[tuple[str, str], set[str]] = {}  # (stage, name) -> lost parts of a node's result
    found: list[Path] = []
    for stage in STAGES:
        for node in getattr(plan, stage).values():
            hit = set().union(*(_reached(node, read, parts) for read in node.reads.values()))
            found += [link for part in hit for link in _links(node, part)]
            here = f"{RESULTS}/{stage}/{node.address}"
            own = {_part(here, path) for path in gone if path.startswith((f"{here}/", f"{here}."))}
            parts[stage, node.name] = hit | own
    return found


def _reached(node: Node, read: Node, parts: dict[tuple[str, str], set[str]]) -> set[str]:
    """Which parts of a node rest on the lost parts of a node that it reads."""
    lost = parts[read.stage, read.name]
    if node.stage in RUN_STAGES:
        return lost
    return {ALL} if lost else set()


def _part(folder: str, path: str) -> str:
    """The run that a path below an address is of, such as beta-1/seed-0; ALL if there is none."""
    return path.removeprefix(folder).rpartition("/")[0].strip("/")


def _links(node: Node, part: str) -> list[Path]:
    if node.stage == "figures":
        paths = Path(RESULTS, "figures").glob(f"{node.address}.*")
    else:
        paths = Path(RESULTS, node.stage, node.address, part).rglob("*")
    return [path for path in paths if path.is_symlink()]
