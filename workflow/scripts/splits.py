"""Materialise one split."""

from pathlib import Path

from rdpipe.jobs import Item, Job

spec, out = snakemake.params.spec, snakemake.output
inputs = dict(snakemake.input.items())


def write(folder):
    from rdpipe.splits import write_split

    paths = {name: Path(path) for name, path in inputs.items()}
    write_split(folder, **paths, **spec["settings"])


files = {Path(path).name: path for path in (out.train, out.test, out.assignment, out.manifest)}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0])
job.make(Item(inputs, files), write)
