"""Train the runs of one job, together."""

from functools import cache, partial

from rdpipe.store.jobs import Job, items_of_runs

spec, given, out = snakemake.params.spec, snakemake.input, snakemake.output


@cache
def images():
    from rdpipe.common.files import read_npz

    return read_npz(given.train)["images"]


def compute(items, state):
    from rdpipe.training.pack import Run
    from rdpipe.training.train import train, write_run

    runs = [Run(**item.axes) for item in items]
    how = {"state": state, "save_every": snakemake.params.save_every, "stop": job.stopping}
    for item, run in zip(items, train(images(), runs, **how, **spec["settings"]), strict=True):
        yield item, partial(write_run, run=run)


def at_once():
    from rdpipe.training.capacity import capacity

    return capacity(images(), **spec["settings"])


files = {"model.safetensors": out.model, "history.parquet": out.history, "run.json": out.run}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0], threads=snakemake.threads)
job.make_all(items_of_runs(spec["runs"], {"train": given.train}, files), compute, at_once)
