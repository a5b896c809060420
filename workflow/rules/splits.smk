"""Splits: the train and the test part of a dataset (Section 4.2).

In: a dataset.
Out: train.npz, test.npz, assignment.parquet, manifest.json.
"""


rule splits:
    input:
        images=source("splits", "dataset", "images.npz"),
        factors=source("splits", "dataset", "factors.parquet"),
        manifest=source("splits", "dataset", "manifest.json"),
    output:
        train="results/splits/{splits}/train.npz",
        test="results/splits/{splits}/test.npz",
        assignment="results/splits/{splits}/assignment.parquet",
        manifest="results/splits/{splits}/manifest.json",
    log:
        "results/logs/splits/{splits}.log",
    conda:
        "../../envs/rdpipe.yaml"
    resources:
        mem_mb=need("splits", "mem_mb"),
        runtime=need("splits", "runtime"),
    params:
        spec=spec("splits"),
        store=study.store,
    script:
        "../scripts/splits.py"
