"""Datasets: images and their factors of variation (Sections 4.1 and 4.4, or your own).

In: the config; for some kinds also downloaded files, or your own files.
Out: images.npz, factors.parquet, manifest.json.
"""


rule datasets:
    output:
        images="results/datasets/{datasets}/images.npz",
        factors="results/datasets/{datasets}/factors.parquet",
        manifest="results/datasets/{datasets}/manifest.json",
    log:
        "results/logs/datasets/{datasets}.log",
    conda:
        "../../envs/rdpipe.yaml"
    threads: 2
    resources:
        mem_mb=need("datasets", "mem_mb"),
        runtime=need("datasets", "runtime"),
    params:
        spec=spec("datasets"),
        places=lambda w: plan.places(plan.node("datasets", w.datasets).name),
        store=study.store,
    script:
        "../scripts/datasets.py"
