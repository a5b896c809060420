"""Find the nearest training image of every test image of one split."""

from pathlib import Path

from rdpipe.jobs import Item, Job

inputs = dict(snakemake.input.items())
job = Job(
    snakemake.params.spec,
    store=snakemake.params.store,
    log_file=snakemake.log[0],
    threads=snakemake.threads,
)


def write(folder):
    from rdpipe.neighbours import write_neighbours

    paths = {name: Path(path) for name, path in inputs.items()}
    write_neighbours(folder, **paths, threads=job.threads)


job.make(Item(inputs, {"distances.parquet": snakemake.output.distances}), write)
