"""Draw one figure."""

from importlib import import_module
from pathlib import Path

from rdpipe.store.jobs import Item, Job

spec = snakemake.params.spec
(module,) = spec["modules"]
inputs = dict(snakemake.input.items())


def write(folder):
    paths = {name: Path(path) for name, path in inputs.items()}
    import_module(module).draw(folder, inputs=paths, **spec["settings"])


name = module.rpartition(".")[2]  # that of the files, too
files = {f"{name}.{kind}": path for kind, path in snakemake.output.items()}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0])
job.make(Item(inputs, files), write)
