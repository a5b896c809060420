"""Train the runs of one job, together."""

from functools import cache, partial

from rdpipe.store.jobs import Job, items_of_runs
from rdpipe.store.lengths import by_run, longest_states

spec, given, out = snakemake.params.spec, snakemake.input, snakemake.output


@cache
def images():
    from rdpipe.common.files import read_npz

    return read_npz(given.train)["images"]


def compute(items, state):
    from rdpipe.training.pack import Run
    from rdpipe.training.train import STATE, train_to, write_run

    settings = {name: value for name, value in spec["settings"].items() if name != "iterations"}
    wanted = by_run(items, end)
    runs = [Run(**dict(axes)) for axes in wanted]
    lengths = sorted({length for of_run in wanted.values() for length in of_run})
    how = {"state": state, "save_every": snakemake.params.save_every, "stop": job.stopping}
    how |= {"shorter": longest_states(job, all_lengths, list(wanted), lengths[0], STATE)}
    write = partial(write_run, keep_state=snakemake.params.keep_states)
    for length, trained in train_to(images(), runs, lengths, **how, **settings):
        for of_run, run in zip(wanted.values(), trained, strict=True):
            if length in of_run:
                yield of_run[length], partial(write, run=run)


def at_once():
    from rdpipe.training.capacity import capacity

    return len(items) // len(all_lengths) * capacity(images(), **spec["settings"])


files = {"model.safetensors": out.model, "history.parquet": out.history, "run.json": out.run}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0], threads=snakemake.threads)
items = items_of_runs(spec["runs"], {"train": given.train}, files, length="iterations")
end = spec["settings"]["iterations"]
all_lengths = by_run(items, end)
job.make_all(items, compute, at_once)
