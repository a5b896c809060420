"""Diagnostics: measures that say where a gap between training and test lies. One job, one measure.

In: a split, a trained run.
Out, for each run: metrics.parquet; of pictures, pictures.npz; of leave_out, scores.parquet.
One job measures one run, or all runs that differ only in the axes of `diagnostics.pack`.
"""


rule diagnostics:
    input:
        train=source("diagnostics", "split", "train.npz"),
        test=source("diagnostics", "split", "test.npz"),
        model=source("diagnostics", "training", "model.safetensors"),
        run=source("diagnostics", "training", "run.json"),
    output:
        measured=per_run("diagnostics", "{file}"),
    log:
        per_job("diagnostics", "_{file}"),
    conda:
        "../../envs/rdpipe.yaml"
    threads: study.diagnostics.threads
    resources:
        mem_mb=need("diagnostics", "mem_mb"),
        runtime=need("diagnostics", "runtime"),
        gpu=1,
    params:
        spec=spec("diagnostics"),
        store=study.store,
    script:
        "../scripts/diagnostics.py"
