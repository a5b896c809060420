"""Datasets: images and the factors they were made from (Section 4.1).

In: nothing but the configuration. Out: images.npz, factors.parquet, manifest.json.
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
        mem_mb=6000,
    params:
        spec=spec("datasets"),
        store=study.store,
    script:
        "../scripts/datasets.py"
