"""Find the nearest training image of every test image of one split."""

from pathlib import Path

from rdpipe.store.jobs import Item, Job

spec, given = snakemake.params.spec, snakemake.input
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0], threads=snakemake.threads)


def write(folder):
    from rdpipe.neighbours import write_neighbours

    write_neighbours(folder, train=Path(given.train), test=Path(given.test))


files = {"distances.parquet": snakemake.output.distances}
job.make(Item(dict(given.items()), files), write)
