"""Training: one β-VAE for each split, architecture, β and seed (Section 4.3).

In: the train part of a split.
Out, for each run: model.safetensors, history.parquet, run.json.
One job trains one run, or all runs that differ only in the axes of `training.pack`.
"""


rule training:
    input:
        train=source("training", "split", "train.npz"),
    output:
        model=per_run("training", "model.safetensors"),
        run=per_run("training", "run.json"),
        history=per_run("training", "history.parquet"),
    log:
        per_job("training"),
    conda:
        "../../envs/rdpipe.yaml"
    threads: study.training.threads
    resources:
        mem_mb=need("training", "mem_mb"),
        runtime=need("training", "runtime"),
        gpu=1,
    params:
        spec=spec("training"),
        store=study.store,
        save_every=study.training.save_every,
        keep_states=study.training.keep_states,
    script:
        "../scripts/training.py"
