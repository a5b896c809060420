"""What `results/study.json` says: what a study consists of, and where each of its results lies.

Whoever has the results folder can then read it without the config, as `rdpipe.open` and the report
do. Paths are relative to the results folder.
"""

from pathlib import Path
from typing import Any

from rdpipe.common.atomic import replacing
from rdpipe.common.files import write_json
from rdpipe.study.captions import caption, title
from rdpipe.study.plan import RESULTS, Node, Plan

FILE = "study.json"


def write(plan: Plan) -> None:
    """Write study.json of a study."""
    path = Path(plan.own_file(FILE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        write_json(new, about(plan))


def about(plan: Plan) -> dict[str, Any]:
    """What study.json says, in builtins.

    Returns
    -------
    dict
        - settings: all settings of the study
        - targets: what a call without a target makes
        - betas, seeds: value by how paths spell it
        - iterations: the length of training, and of all checkpoints before it, ascending
        - datasets, splits: folder by name
        - runs: by split/arch, the folders `training` and `evaluation`, of which each run has one
        - experiments: by name, the folder `table` and the facts of its `splits` and `archs` that
          `rdpipe.figures._labels` takes
        - figures: by name, the `place` of its files without their endings, its `title` and
          `caption`, and `module`, `settings` and `inputs` that `rdpipe.figures.draw` takes
    """
    study = plan.study
    experiments = {
        name: {
            "table": _folder(plan.tables[name]),
            "splits": [plan.split_facts(split) for split in experiment.splits],
            "archs": [plan.arch_facts(arch) for arch in experiment.archs],
        }
        for name, experiment in study.experiments.items()
    }
    return {
        "settings": study.model_dump(mode="json"),
        "targets": list(study.targets),
        "betas": plan.values["beta"],
        "seeds": plan.values["seed"],
        "iterations": [*study.training.checkpoints, study.training.iterations],
        "datasets": {name: _folder(node) for name, node in plan.datasets.items()},
        "splits": {name: _folder(node) for name, node in plan.splits.items()},
        "runs": {
            pair: {"training": _folder(node), "evaluation": _folder(plan.evaluation[pair])}
            for pair, node in plan.training.items()
        },
        "experiments": experiments,
        "figures": {name: _figure(plan, node) for name, node in plan.figures.items()},
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
