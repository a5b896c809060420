"""Evaluation: rate, distortion and the other measures of each run (Sections 4.4 and 4.5).

In: a split, its neighbours, a trained run.
Out, for each run: metrics.parquet, reconstructions.npz.
One job evaluates one run, or all runs that differ only in the axes of `evaluation.pack`.
"""


rule evaluation:
    input:
        train=source("evaluation", "split", "train.npz"),
        test=source("evaluation", "split", "test.npz"),
        distances=source("evaluation", "neighbours", "distances.parquet"),
        model=source("evaluation", "training", "model.safetensors"),
        run=source("evaluation", "training", "run.json"),
    output:
        metrics=per_run("evaluation", "metrics.parquet"),
        reconstructions=per_run("evaluation", "reconstructions.npz"),
    log:
        per_job("evaluation"),
    conda:
        "../../envs/rdpipe.yaml"
    threads: study.evaluation.threads
    resources:
        mem_mb=need("evaluation", "mem_mb"),
        runtime=need("evaluation", "runtime"),
        gpu=1,
    params:
        spec=spec("evaluation"),
        store=study.store,
    script:
        "../scripts/evaluation.py"
