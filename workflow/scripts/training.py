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
    from rdpipe.training.train import train_to, write_run

    settings = dict(spec["settings"])
    end, wanted = settings.pop("iterations"), {}  # run -> length of training -> item
    for item in items:
        of_run = wanted.setdefault(Run(**item.axes), {})
        of_run[item.settings.get("iterations", end)] = item
    lengths = sorted({length for of_run in wanted.values() for length in of_run})
    how = {"state": state, "save_every": snakemake.params.save_every, "stop": job.stopping}
    for length, trained in train_to(images(), list(wanted), lengths, **how, **settings):
        for of_run, run in zip(wanted.values(), trained, strict=True):
            if length in of_run:
                yield of_run[length], partial(write_run, run=run)


def at_once():
    from rdpipe.training.capacity import capacity

    items_of_a_run = len(items) // len({tuple(item.axes.values()) for item in items})
    return items_of_a_run * capacity(images(), **spec["settings"])


files = {"model.safetensors": out.model, "history.parquet": out.history, "run.json": out.run}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0], threads=snakemake.threads)
items = items_of_runs(spec["runs"], {"train": given.train}, files, length="iterations")
job.make_all(items, compute, at_once)
