"""Draw one figure."""

from pathlib import Path

from rdpipe.store.jobs import Item, Job

spec = snakemake.params.spec
(module,), inputs = spec["modules"], dict(snakemake.input.items())


def write(folder):
    from rdpipe import figures  # imports matplotlib, which a hit in the store does without

    figures.draw(module, folder, {k: Path(path) for k, path in inputs.items()}, spec["settings"])


name = module.rpartition(".")[2]  # the figure's files are named by its module
files = {f"{name}.{kind}": path for kind, path in snakemake.output.items()}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0])
job.make(Item(inputs, files), write)
