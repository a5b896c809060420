"""What all rules share: the study, its plan, and the paths of packed runs."""

import os
import re
import sys

# The library of this very checkout, here and in the jobs, whatever is installed.
SOURCE = os.path.join(workflow.basedir, "src")
sys.path.insert(0, SOURCE)
os.environ.update(PYTHONPATH=os.pathsep.join([SOURCE, *filter(None, [os.getenv("PYTHONPATH")])]))

from rdpipe.errors import RdpipeError
from rdpipe.plan import RUN_PATH, RUN_STAGES, Plan, spell
from rdpipe.store import set_plain_names
from rdpipe.config import read_study
from rdpipe.study import STAGES
from snakemake.exceptions import WorkflowError

try:
    study = read_study(config)
    plan = Plan(study)
except RdpipeError as error:
    raise WorkflowError(str(error))
AXES = {
    "beta": [spell("beta", beta) for beta in study.betas],
    "seed": [spell("seed", seed) for seed in study.seeds],
}


# The wildcard of a stage is an address: a name and a digest, of the current study only.
wildcard_constraints:
    **{stage: "|".join(plan.addresses(stage)) for stage in STAGES},
    **{axis: "|".join(map(re.escape, values)) for axis, values in AXES.items()},


# Inputs are `ancient`: an address says what its result was made from, so it is current if it
# exists, whatever the times of files.


def source(stage, name, file):
    """Input of a stage: a file of the node that it reads as `name`, of each run if it has runs."""

    def paths(wildcards):
        node = plan.node(stage, wildcards[stage]).reads[name]
        if node.stage in RUN_STAGES:
            return node.files(file, runs(stage, wildcards))
        return node.file(file)

    return ancient(paths)


def spec(stage):
    """Parameter of a stage: what its job is told beside its paths."""

    def of_job(wildcards):
        node = plan.node(stage, wildcards[stage])
        return node.spec(runs(stage, wildcards)) if stage in RUN_STAGES else node.spec()

    return of_job


def runs(stage, wildcards):
    """The runs of a job, in the order of `per_run`."""
    return plan.runs(getattr(study, stage).pack, dict(wildcards.items()))


def per_run(stage, file):
    """Output of a stage: a file of each run, packed axes spelled out, the others wildcards."""
    pack = getattr(study, stage).pack
    return expand(
        f"results/{stage}/{{{stage}}}/{RUN_PATH}/{file}",
        **{axis: values for axis, values in AXES.items() if axis in pack},
        allow_missing=True,
    )


def per_job(stage):
    """Log of a job: only axes that are not packed tell it from others."""
    axes = [axis for axis in AXES if axis not in getattr(study, stage).pack]
    name = "_".join(f"{axis}-{{{axis}}}" for axis in axes) or "all"
    return f"results/logs/{stage}/{{{stage}}}/{name}.log"
