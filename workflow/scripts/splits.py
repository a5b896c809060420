"""Materialise one split."""

from pathlib import Path

from rdpipe.store.jobs import Item, Job

spec, out = snakemake.params.spec, snakemake.output
inputs = dict(snakemake.input.items())


def write(folder):
    from rdpipe.splits import write_split

    paths = {name: Path(path) for name, path in inputs.items()}
    write_split(folder, **paths, **spec["settings"])


# last what others read: where a job is killed in between, something they need is missing
files = {Path(path).name: path for path in (out.assignment, out.manifest, out.test, out.train)}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0])
job.make(Item(inputs, files), write)
