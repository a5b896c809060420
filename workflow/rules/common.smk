"""Shared by all rules: the study, its plan, the resources of jobs, and the paths of packed runs."""

import _thread
import os
import re
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Here and in all jobs, rdpipe is imported from this checkout, even if another one is installed. If
# another workflow uses this one as a module from a repository, rdpipe must be installed.
SOURCE = os.path.join(str(workflow.current_basedir), "../../src")
if os.path.isdir(SOURCE):
    SOURCE = os.path.realpath(SOURCE)
    sys.path.insert(0, SOURCE)
    os.environ.update(
        PYTHONPATH=os.pathsep.join([SOURCE, *filter(None, [os.getenv("PYTHONPATH")])])
    )

if find_spec("rdpipe") is None:
    raise WorkflowError("rdpipe is not installed where Snakemake runs; see docs/module.md.")

from rdpipe.study import lock, slurm
from rdpipe.common.errors import RdpipeError
from rdpipe.study.plan import RESULTS, RUN_PATH, RUN_STAGES, Plan, address_pattern
from rdpipe.study.resources import needs
from rdpipe.store.links import check_room, remove_lost
from rdpipe.store.objects import Store
from rdpipe.store.roots import register
from rdpipe.study import about
from rdpipe.study.captions import caption, title
from rdpipe.study.ending import Failure, summary
from rdpipe.study.names import missing, set_names
from rdpipe.study.own_files import contents, refuse_splits
from rdpipe.study.files import read_file
from rdpipe.study.reading import read_study
from rdpipe.study.settings.diagnostics import FILES
from rdpipe.study.settings.study import STAGES
from rdpipe.study.targets import check_overlays, check_targets


def asked():
    """The targets on the command line, or None if it does not call this workflow.

    Snakemake tells nobody before it has looked for the rules of these names.
    """
    *_, folder, file = "", *Path(sys.argv[0]).parts
    called = file == "snakemake" or (folder, file) == ("snakemake", "__main__.py")
    if called and workflow.modifier.is_main_snakefile():  # else another workflow's module
        return get_argument_parser().parse_args(sys.argv[1:]).targets


try:
    files = {}
    if workflow.is_main_process:
        files = {Path(path): read_file(Path(path)) for path in workflow.configfiles}
    study = read_study(config)
    plan = Plan(study, contents(study, Path(RESULTS) / "sources.json"))
    if workflow.is_main_process:
        refuse_splits(study)
        if (targets := asked()) is not None:
            check_targets(plan, targets)
            if {*targets} <= {"all"}:
                check_overlays(files)
        check_room(Path())
        about.refuse_unfinished_report(plan, sys.argv)
        remove_lost(plan.target_files(plan.targets), Path(study.store))
except RdpipeError as error:
    raise WorkflowError(str(error))
NEEDS = needs(study)
BEFORE = {"missing": set(), "removed": {}}  # what `begin` found when the call began

# A dry run changes nothing: it takes no lock, and registers no results.
if workflow.is_main_process and not workflow.output_settings.dryrun:
    register(Store(Path(study.store)), Path(RESULTS))
    if told := lock.enter(Path(".snakemake")):
        logger.info(told)


# The wildcard of a stage is an address: a name and a digest. The plan refuses addresses that do not
# belong to the study.
wildcard_constraints:
    **{stage: address_pattern(stage) for stage in STAGES},
    **{axis: "|".join(map(re.escape, values)) for axis, values in plan.values.items()},
    file="|".join(map(re.escape, ["metrics.parquet", *FILES.values()])),  # of a diagnostic


# All inputs are `ancient`. The address of a result covers everything that the result was made from.
# A result that exists is therefore current. Times of files do not matter.
# `-R` and other triggers ask for the contrary: a job runs although its result exists. After such a
# job Snakemake does not look at what is behind ancient inputs, and leaves the target unmade (its
# issue 4166). So there all jobs behind it run as well. They find their results in the store.
def settled(paths):
    """Paths of results for an input function: `ancient`, unless this call forces jobs."""
    dag = workflow.dag_settings
    forced = dag.forcerun or {str(trigger) for trigger in dag.rerun_triggers} - {"mtime"}
    return paths if forced else ancient(paths)


def source(stage, name, file):
    """Input of a stage: a file of the node that the stage reads as `name`, for each run if it has runs."""

    def paths(wildcards):
        node = plan.node(stage, wildcards[stage]).reads[name]
        if node.stage in RUN_STAGES:
            return settled(node.files(file, runs(stage, wildcards)))
        return settled(node.file(file))

    return paths


def settled_inputs(stage):
    """All inputs of a figure or a table, by the names that its job knows."""

    def paths(wildcards):
        inputs = plan.inputs(plan.node(stage, wildcards[stage]))
        return {name: settled(path) for name, path in inputs.items()}

    return paths


def spec(stage):
    """Parameter of a stage: everything its job needs to know beside its paths."""

    def of_job(wildcards):
        node = plan.node(stage, wildcards[stage])
        return node.spec(runs(stage, wildcards)) if stage in RUN_STAGES else node.spec()

    return of_job


def need(stage, what):
    """Resource of a stage, `mem_mb` or `runtime`. It grows with each try, up to a bound."""
    return lambda wildcards, attempt: getattr(NEEDS[stage], what)(attempt)


def check_cluster():
    """Under SLURM, stop with one sentence before the first job if no job can be submitted."""
    if workflow.executor_plugin.name != "slurm":
        return
    jobs = {job.rule.name: job for job in workflow.dag.needrun_jobs() if not job.is_local}
    partitions = {job.resources.get("slurm_partition") for job in jobs.values()} - {None}
    try:
        slurm.check(partitions, workflow.executor_settings.status_command)
    except RdpipeError as error:
        raise WorkflowError(str(error))


def handle_signals():
    """Let SIGTERM end Snakemake at any moment, and a second Ctrl-C change nothing.

    Snakemake handles SIGTERM in the main thread, with a lock that the main thread may hold. It then
    waits for ever. A thread of its own gets the lock as soon as the main thread lets go of it.
    `threading.Thread` would take locks itself, which the main thread may hold as well.
    A second Ctrl-C would break off the orderly end that the first one began.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        signal.signal(signal.SIGTERM, lambda *told: _thread.start_new_thread(handler, told))

    def interrupt(*told):
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.default_int_handler(*told)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)


def check_made():
    """At the end of a call that failed nowhere: fail if something that was asked for is not there."""
    asked = [file for job in workflow.dag.targetjobs for file in (*job.output, *job.input)]
    if missing := [file for file in map(str, asked) if not os.path.exists(file)]:
        raise WorkflowError(
            f"{len(missing)} files that this call asked for were not made, such as {missing[0]}; "
            "call snakemake again without options that force or leave out jobs."
        )


def begin():
    """Note what is missing, and let plain names show the results that are there."""
    BEFORE["missing"] = missing(plan, plan.targets)
    BEFORE["removed"] = set_names(plan, plan.targets)


def end():
    """Set plain names, and say which figures and tables this call made and what failed."""
    set_names(plan, plan.targets)
    rules = {job.rule.name for job in workflow.dag.targetjobs}
    targets = [name for name in plan.targets if name in rules]
    if rules & {"all", "report"}:
        targets = study.targets
    failures = [
        Failure(job.rule.name, dict(job.wildcards.items()), Path(job.log[0]))
        for job in workflow.scheduler.failed
    ]
    for line in summary(plan, targets, BEFORE["missing"], BEFORE["removed"], failures):
        logger.info(line)


def runs(stage, wildcards):
    """The runs of a job, in the order of `per_run`."""
    return plan.runs(getattr(study, stage).pack, dict(wildcards.items()))


def per_run(stage, file):
    """Output of a stage: a file of each run. Packed axes are spelled out; the others are wildcards.

    Checkpoints are always spelled out: the job of a run makes all of them.
    """
    pack = getattr(study, stage).pack
    return expand(
        f"results/{stage}/{{{stage}}}/{RUN_PATH}{{end}}/{file}",
        **{axis: list(values) for axis, values in plan.values.items() if axis in pack},
        end=plan.run_paths,
        allow_missing=True,
    )


def per_job(stage, end=""):
    """Log of a job. Its name has only the axes that are not packed, and the given end."""
    axes = [axis for axis in plan.values if axis not in getattr(study, stage).pack]
    name = "_".join(f"{axis}-{{{axis}}}" for axis in axes) or "all"
    return f"results/logs/{stage}/{{{stage}}}/{name}{end}.log"


def figure_in_report(path, category):
    """A file of a figure that `snakemake --report` shows: its pictures first, then all numbers."""

    def labels(wildcards):
        return {"figure": plan.node("figures", wildcards.figures).name}

    return report(path, category=category, caption="../report/figures.rst", labels=labels)


def table_in_report(path):
    """A table that `snakemake --report` shows."""

    def labels(wildcards):
        return {"experiment": plan.node("tables", wildcards.tables).name}

    return report(path, category="Tables", caption="../report/tables.rst", labels=labels)
