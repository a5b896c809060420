"""Measure the runs of one job."""

from functools import partial
from importlib import import_module
from pathlib import Path

from rdpipe.store.jobs import Job, items_of_runs

spec, given, out = snakemake.params.spec, snakemake.input, snakemake.output


def compute(items, _state):
    from rdpipe.common.files import read_npz

    write = import_module(spec["modules"][0]).write_measure
    parts = {part: read_npz(given[part])["images"] for part in ("train", "test")}
    for item in items:
        run = {name: Path(item.inputs[name]) for name in ("model", "run")}
        yield item, partial(write, parts=parts, **run, **spec["settings"])


files = {snakemake.wildcards.file: out.measured}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0], threads=snakemake.threads)
job.make_all(items_of_runs(spec["runs"], dict(given.items()), files), compute)
