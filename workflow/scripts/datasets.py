"""Make one dataset."""

from rdpipe.jobs import Item, Job

spec, out = snakemake.params.spec, snakemake.output
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0], threads=snakemake.threads)


def write(folder):
    from rdpipe.datasets import write_dataset

    write_dataset(folder, threads=job.threads, **spec["settings"])


files = {"images.npz": out.images, "factors.parquet": out.factors, "manifest.json": out.manifest}
job.make(Item(inputs={}, outputs=files), write)
