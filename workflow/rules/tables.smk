"""Tables: the measures of all runs of an experiment, and their summary over seeds.

In: the evaluations of an experiment, its diagnostics if it asks for any, and the neighbours of its
splits.
Out: rd, rd_summary and neighbours, each as Parquet and CSV; the reconstructions that figures show.
"""


rule tables:
    input:
        unpack(settled_inputs("tables")),
    output:
        table_in_report("results/tables/{tables}/rd.csv"),
        multiext(
            "results/tables/{tables}/",
            "rd.parquet",
            "rd_summary.parquet",
            "rd_summary.csv",
            "neighbours.parquet",
            "neighbours.csv",
            "reconstructions.npz",
        ),
    log:
        "results/logs/tables/{tables}.log",
    localrule: True
    conda:
        "../../envs/rdpipe.yaml"
    resources:
        mem_mb=2000,
    params:
        spec=spec("tables"),
        trained=lambda w: plan.table_inputs(plan.node("tables", w.tables), "run.json", "training"),
        store=study.store,
    script:
        "../scripts/tables.py"
