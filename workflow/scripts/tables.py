"""Collect the runs of one experiment into its tables."""

from pathlib import Path

from rdpipe.store.jobs import Item, Job

spec = snakemake.params.spec
inputs = {name: list(paths) for name, paths in snakemake.input.items()}


def write(folder):
    from rdpipe.tables import write_tables

    paths = {name: [Path(file) for file in files] for name, files in inputs.items()}
    write_tables(folder, **paths, **spec["settings"])


job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0])
job.make(Item(inputs, {Path(path).name: path for path in snakemake.output}), write)
