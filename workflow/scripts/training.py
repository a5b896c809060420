"""Train the runs of one job, together."""

from functools import partial

from rdpipe.jobs import Job, items_of_runs

spec, given, out = snakemake.params.spec, snakemake.input, snakemake.output


def compute(items, state):
    from rdpipe import training
    from rdpipe.files import read_npz

    images = read_npz(given.train)["images"]
    runs = [training.Run(**item.axes) for item in items]
    kept = {"state": state, "save_every": snakemake.params.save_every}
    for item, trained in zip(
        items, training.train(images, runs, **kept, **spec["settings"]), strict=True
    ):
        yield item, partial(training.write_run, trained=trained)


files = {"model.safetensors": out.model, "history.parquet": out.history, "run.json": out.run}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0], threads=snakemake.threads)
job.make_all(items_of_runs(spec["runs"], {"train": given.train}, files), compute)
