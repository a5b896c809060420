"""Figures: each figure of the paper by name, with its numbers.

In: the tables of an experiment, or a dataset.
Out: a PDF, a PNG, and a CSV with the numbers.
"""


rule figures:
    input:
        unpack(settled_inputs("figures")),
    output:
        pdf="results/figures/{figures}.pdf",
        png=in_report("results/figures/{figures}.png", "picture"),
        csv=in_report("results/figures/{figures}.csv", "numbers"),
    log:
        "results/logs/figures/{figures}.log",
    localrule: True
    conda:
        "../../envs/rdpipe.yaml"
    resources:
        mem_mb=2000,
    params:
        spec=spec("figures"),
        title=lambda w: title(plan.node("figures", w.figures).modules[0]),
        store=study.store,
    script:
        "../scripts/figures.py"
