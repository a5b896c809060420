"""What `results/study.json` says: what a study consists of, and where each of its results lies.

Whoever has the results folder can then read it without the config, as `rdpipe.open` and the report
do. Paths are relative to the results folder.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from rdpipe.common.atomic import replacing
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import write_json
from rdpipe.study.captions import caption, title
from rdpipe.study.plan import RESULTS, Node, Plan

FILE = "study.json"
REPORT = "report.html"


def write(plan: Plan, asked: Collection[str] = ()) -> None:
    """Write study.json: of the study's targets, of those asked for, and of all that exist."""
    path = Path(plan.own_file(FILE))
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = {*plan.study.targets, *asked}
    targets = [
        name
        for name in plan.targets
        if name in wanted or all(Path(file).exists() for file in plan.target_files([name]))
    ]
    with replacing(path) as new:
        write_json(new, about(plan, targets))


def refuse_unfinished_report(plan: Plan, arguments: Sequence[str]) -> None:
    """Refuse `snakemake --report` if a file is missing that it would show.

    Snakemake would plan the whole study, and then end at the missing file.

    Raises
    ------
    RdpipeError
        If the arguments ask for a report, and files of its targets are missing.
    """
    asked = any(argument.partition("=")[0] == "--report" for argument in arguments)
    if not asked or any(argument.startswith(f"{RESULTS}/") for argument in arguments):
        return  # a call that names files knows which ones
    targets = [name for name in plan.targets if name in arguments] or plan.study.targets
    files = plan.target_files(targets)
    if missing := [file for file in files if not Path(file).exists()]:
        raise RdpipeError(
            f"{len(missing)} of {len(files)} files of the report are missing, such as "
            f"{missing[0]}; give --report the same --configfile as the call that computed the "
            "results. `rdpipe report` shows a study that is not finished."
        )


def about(plan: Plan, targets: Sequence[str]) -> dict[str, Any]:
    """What study.json says of some targets, in builtins.

    A config may have many more experiments than a study uses, such as those of the file below an
    overlay. They are left out.

    Returns
    -------
    dict
        - settings: all settings of the study
        - targets: what a call without a target makes
        - betas, seeds: value by how paths spell it
        - iterations: the length of training, and of all checkpoints before it, ascending
        - splits: folder by name
        - runs: by split/arch, the folders `training` and `evaluation`, of which each run has one
        - diagnostics: by measure/split/arch, the folder of those that the targets need
        - experiments: by name, the folder `table` and the facts of its `splits` and `archs` that
          `rdpipe.figures._labels` takes
        - figures: by name, the `place` of its files without their endings, its `title` and
          `caption`, and `module`, `settings` and `inputs` that `rdpipe.figures.draw` takes
    """
    study = plan.study
    needed = {node.name for node in plan.target_tables(targets)}
    tables = [node for name, node in plan.tables.items() if name in needed]
    experiments = {
        node.name: {
            "table": _folder(node),
            "splits": [plan.split_facts(one) for one in study.experiments[node.name].splits],
            "archs": [plan.arch_facts(one) for one in study.experiments[node.name].archs],
        }
        for node in tables
    }
    pairs = dict.fromkeys(pair for node in tables for pair in node.reads if pair in plan.training)
    splits = dict.fromkeys(pair.partition("/")[0] for pair in pairs)
    figures = [node for name, node in plan.figures.items() if name in targets]
    measured = dict.fromkeys(
        name for node in (*tables, *figures) for name in node.reads if name in plan.diagnostics
    )
    return {
        # a role of a claim is a name or names; pydantic warns that it expected the other
        "settings": study.model_dump(mode="json", warnings="none"),
        "targets": list(study.targets),
        "betas": plan.values["beta"],
        "seeds": plan.values["seed"],
        "iterations": [*study.training.checkpoints, study.training.iterations],
        "splits": {name: _folder(plan.splits[name]) for name in splits},
        "runs": {
            pair: {
                "training": _folder(plan.training[pair]),
                "evaluation": _folder(plan.evaluation[pair]),
            }
            for pair in pairs
        },
        "diagnostics": {name: _folder(plan.diagnostics[name]) for name in measured},
        "experiments": experiments,
        "figures": {node.name: _figure(plan, node) for node in figures},
    }


def _figure(plan: Plan, figure: Node) -> dict[str, Any]:
    return {
        "place": _folder(figure),
        "title": title(figure),
        "caption": caption(figure),
        "module": figure.modules[0],
        "settings": dict(figure.settings),
        "inputs": {
            name: path.removeprefix(f"{RESULTS}/")
            for name, path in plan.figure_inputs(figure).items()
        },
    }


def _folder(node: Node) -> str:
    return f"{node.stage}/{node.address}"
