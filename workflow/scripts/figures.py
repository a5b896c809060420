"""Draw one figure."""

from pathlib import Path

from rdpipe.store.jobs import Item, Job

spec = snakemake.params.spec
inputs = dict(snakemake.input.items())


def write(folder):
    from rdpipe import figures  # imports matplotlib, which a hit in the store does without

    paths = {name: Path(path) for name, path in inputs.items()}
    figures.draw(spec["module"], folder, paths, spec["settings"])


module = spec["module"].rpartition(".")[2]  # which the files it writes are called by
files = {f"{module}.{kind}": path for kind, path in snakemake.output.items()}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0])
job.make(Item(inputs, files), write)
