"""Figures: each figure of the paper by name, with its numbers.

In: the tables of an experiment, or a dataset.
Out: a PDF, a PNG, and a CSV with the numbers.
"""


rule figures:
    input:
        unpack(settled_inputs("figures")),
    output:
        pdf="results/figures/{figures}.pdf",
        png=figure_in_report("results/figures/{figures}.png", "Figures"),
        csv=figure_in_report("results/figures/{figures}.csv", "Numbers of figures"),
    log:
        "results/logs/figures/{figures}.log",
    localrule: True
    conda:
        "../../envs/rdpipe.yaml"
    resources:
        mem_mb=2000,
    params:
        spec=spec("figures"),
        title=lambda w: title(plan.node("figures", w.figures)),
        caption=lambda w: caption(plan.node("figures", w.figures)),
        store=study.store,
    script:
        "../scripts/figures.py"
