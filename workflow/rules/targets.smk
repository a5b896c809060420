"""Targets: one for every figure and every experiment, by its name.

A target rule, like `all` and `report`, has no output. At each call it sets the plain names, such as
results/demo/figures/fig3.pdf, to the results of the current study.
"""


# A plain name never shows a result of other settings or inputs. It is removed if its own result is
# still to come, or failed.
onstart:
    handle_signals()
    check_cluster()
    begin()
    about.write(plan, {job.rule.name for job in workflow.dag.targetjobs})


onerror:
    end()


onsuccess:
    end()
    check_made()


for target in plan.targets:

    rule:
        name:
            target
        input:
            plan.target_files([target]),
        log:
            f"results/logs/targets/{target}.log",
        localrule: True
        conda:
            "../../envs/rdpipe.yaml"
        params:
            links=plan.target_links([target]),
        script:
            "../scripts/targets.py"


# The report is written anew at each call, which takes seconds. Where a run failed, this rule cannot
# run: `rdpipe report` then shows what is there.
rule report:
    input:
        plan.target_files(study.targets),
    log:
        "results/logs/targets/report.log",
    localrule: True
    conda:
        "../../envs/rdpipe.yaml"
    params:
        links=plan.target_links(study.targets),
        study=study.name,
        report=plan.own_file(about.REPORT),
    script:
        "../scripts/report.py"
