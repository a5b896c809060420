"""rdpipe: rate-distortion studies of β-VAEs, from datasets to figures.  See README.md."""

from snakemake.utils import min_version

min_version("9.20")


configfile: "config.yaml"


report: "workflow/report/study.rst"


include: "workflow/rules/common.smk"


rule all:
    input:
        plan.target_files(study.targets),
    log:
        "results/logs/targets/all.log",
    localrule: True
    conda:
        "envs/rdpipe.yaml"
    params:
        links=plan.target_links(study.targets),
    script:
        "workflow/scripts/targets.py"


include: "workflow/rules/targets.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/splits.smk"
include: "workflow/rules/neighbours.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/diagnostics.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
