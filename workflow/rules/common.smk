"""What all rules share: the study, its plan, and the paths of packed runs."""

import os
import re
import sys

# The library of this very checkout, here and in the jobs, whatever is installed.
sys.path.insert(0, os.path.join(workflow.basedir, "src"))
os.environ.update(PYTHONPATH=sys.path[0])

from rdpipe.errors import RdpipeError
from rdpipe.plan import RUN_STAGES, STAGES, Plan
from rdpipe.study import read_study
from snakemake.exceptions import WorkflowError

try:
    study = read_study(config)
except RdpipeError as error:
    raise WorkflowError(str(error))
plan = Plan(study)


# The wildcard of a stage is an address: a name and a digest, of the current study only.
wildcard_constraints:
    **{stage: "|".join(plan.addresses(stage)) for stage in STAGES},
    beta="|".join(re.escape(f"{beta:g}") for beta in study.betas),
    seed="|".join(str(seed) for seed in study.seeds),


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
    values = {"beta": [f"{beta:g}" for beta in study.betas], "seed": study.seeds}
    return expand(
        f"results/{stage}/{{{stage}}}/beta-{{beta}}/seed-{{seed}}/{file}",
        **{axis: values[axis] for axis in values if axis in getattr(study, stage).pack},
        allow_missing=True,
    )


def per_job(stage):
    """Log of a job: only axes that are not packed tell it from others."""
    axes = [axis for axis in ("beta", "seed") if axis not in getattr(study, stage).pack]
    name = "_".join(f"{axis}-{{{axis}}}" for axis in axes) or "all"
    return f"results/logs/{stage}/{{{stage}}}/{name}.log"
