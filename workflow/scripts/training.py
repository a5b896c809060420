"""Train the runs of one job, together."""

from functools import partial

from rdpipe.jobs import Item, Job

spec, out, par = snakemake.params.spec, snakemake.output, snakemake.params
inputs = {"train": snakemake.input.train}


def compute(items, finish, state):
    from rdpipe import training
    from rdpipe.files import read_npz

    trained = training.train(
        read_npz(snakemake.input.train)["images"],
        [training.Run(**item.axes) for item in items],
        state=state,
        save_every=par.save_every,
        device=training.device(),
        **spec["settings"],
    )
    for item, result in zip(items, trained, strict=True):
        finish(item, partial(training.write_run, trained=result))


job = Job(spec, store=par.store, log_file=snakemake.log[0], threads=snakemake.threads)
items = [
    Item(inputs, {"model.safetensors": model, "history.parquet": history, "run.json": run}, axes)
    for axes, model, history, run in zip(spec["runs"], out.model, out.history, out.run, strict=True)
]
job.make_all(items, compute)
