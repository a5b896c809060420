"""Train the runs of one job, together."""

from functools import cache

from rdpipe.store.jobs import Job, items_of_runs
from rdpipe.store.lengths import by_run, longest_states

spec, given, out, how = snakemake.params.spec, snakemake.input, snakemake.output, snakemake.params
settings = dict(spec["settings"])
end = settings.pop("iterations")


@cache
def images():
    from rdpipe.common.files import read_npz

    return read_npz(given.train)["images"]


def compute(items, state):
    from rdpipe.training.train import STATE, train_wanted

    wanted = by_run(items, end)
    kept = {"state": state, "save_every": how.save_every, "keep_states": how.keep_states}
    kept["shorter"] = longest_states(job, runs, wanted, STATE)
    return train_wanted(images(), wanted, stop=job.stopping, **kept, **settings)


def at_once():
    from rdpipe.training.capacity import capacity

    return capacity(images(), **settings) * len(items) // len(runs)


files = {"model.safetensors": out.model, "history.parquet": out.history, "run.json": out.run}
items = items_of_runs(spec["runs"], {"train": given.train}, files, length="iterations")
runs = by_run(items, end)
job = Job(spec, store=how.store, log_file=snakemake.log[0], threads=snakemake.threads)
job.make_all(items, compute, at_once)
