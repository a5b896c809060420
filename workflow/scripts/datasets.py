"""Make one dataset."""

from importlib import import_module

from rdpipe.store.jobs import Item, Job

spec, out = snakemake.params.spec, snakemake.output
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0], threads=snakemake.threads)


def write(folder):
    told = {**spec["settings"], **snakemake.params.places, "threads": job.threads}
    import_module(spec["modules"][0]).write_dataset(folder, **told)


files = {"images.npz": out.images, "factors.parquet": out.factors, "manifest.json": out.manifest}
job.make(Item(inputs={}, outputs=files), write)
