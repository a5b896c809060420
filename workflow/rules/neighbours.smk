"""Neighbours: the nearest training image of every test image (Section 4.4).

In: a split.
Out: distances.parquet.
"""


rule neighbours:
    input:
        train=source("neighbours", "split", "train.npz"),
        test=source("neighbours", "split", "test.npz"),
    output:
        distances="results/neighbours/{neighbours}/distances.parquet",
    log:
        "results/logs/neighbours/{neighbours}.log",
    conda:
        "../../envs/rdpipe.yaml"
    threads: 2
    resources:
        mem_mb=need("neighbours", "mem_mb"),
        runtime=need("neighbours", "runtime"),
        gpu=1,
    params:
        spec=spec("neighbours"),
        store=study.store,
    script:
        "../scripts/neighbours.py"
