"""Plain names of the figures and tables of a study.

A plain name, such as results/demo/figures/fig3.pdf, is a link that belongs to one study. A call
sets and removes the names of its own study only.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rdpipe.common.files import read_json
from rdpipe.store.digests import digest
from rdpipe.store.links import set_plain_names
from rdpipe.store.objects import OBJECT, RECORD, content_of
from rdpipe.study.plan import TABLES, Node, Plan


def set_names(plan: Plan, targets: Iterable[str]) -> dict[str, str]:
    """Let the plain names of some targets show the results of the study.

    A name whose result is still to come goes on showing an older result if that has the same
    settings and inputs, so that only its own code differs. Otherwise the name is removed.

    Returns
    -------
    dict
        Path of each name that was removed -> the older result that it showed.
    """
    links = plan.target_links(list(targets))
    nodes = {name: node for node in plan.target_nodes(targets) for name in plan.names(node)}
    return set_plain_names(links, lambda name: _differs_in_code(Path(name), plan, nodes[name]))


def missing(plan: Plan, targets: Iterable[str]) -> set[str]:
    """The plain names of some targets whose results are still to come."""
    named = (plan.names(node) for node in plan.target_nodes(targets))
    return {name for of_one in named for name, path in of_one.items() if not Path(path).exists()}


def _differs_in_code(name: Path, plan: Plan, node: Node) -> bool:
    """Whether the result that a name shows was made with the settings and inputs of a node."""
    shown = name / f"{TABLES[0]}.parquet" if node.stage == "tables" else name
    try:
        record = read_json(shown.resolve(strict=True).parent / RECORD)
        settings = {key: record["settings"][key] for key in node.settings}
        if digest([settings, record["stage"]]) != digest([dict(node.settings), node.stage]):
            return False
        inputs = plan.inputs(node)
        return record["inputs"].keys() == inputs.keys() and all(
            record["inputs"][key] == _contents(paths) for key, paths in inputs.items()
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def _contents(paths: str | list[str]) -> Any:
    """Content digests of inputs, as records have them. Files of a store are not read for that."""
    if not isinstance(paths, str):
        return [_contents(path) for path in paths]
    real = Path(paths).resolve(strict=True)
    if not OBJECT.search(real.parent.as_posix()):
        return content_of(real)
    return read_json(real.parent / RECORD)["files"][real.name]["content"]
