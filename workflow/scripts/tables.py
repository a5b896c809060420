"""Collect the runs of one experiment into its tables."""

from pathlib import Path

from rdpipe.store.jobs import Item, Job
from rdpipe.store.provenance import made_with

# no content of an input says which device it was made on, so that counts as a setting
how = {"made_with": [made_with(Path(run)) for run in snakemake.params.trained]}
spec = snakemake.params.spec | {"settings": snakemake.params.spec["settings"] | how}
inputs = {name: list(paths) for name, paths in snakemake.input.items()}


def write(folder):
    from rdpipe.tables import write_tables

    paths = {name: [Path(file) for file in files] for name, files in inputs.items()}
    write_tables(folder, **paths, **spec["settings"])


job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0])
job.make(Item(inputs, {Path(path).name: path for path in snakemake.output}), write)
