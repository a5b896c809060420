"""Evaluate the runs of one job."""

from functools import partial
from pathlib import Path

from rdpipe.store.jobs import Job, items_of_runs

spec, given, out = snakemake.params.spec, snakemake.input, snakemake.output


def compute(items, _state):
    from rdpipe.evaluation.evaluate import write_evaluation
    from rdpipe.evaluation.examples import load_split

    split = load_split(Path(given.train), Path(given.test), Path(given.distances))
    for item in items:
        run = {name: Path(item.inputs[name]) for name in ("model", "run")}
        yield item, partial(write_evaluation, split=split, **run, **spec["settings"])


files = {"metrics.parquet": out.metrics, "reconstructions.npz": out.reconstructions}
job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0], threads=snakemake.threads)
job.make_all(items_of_runs(spec["runs"], dict(given.items()), files), compute)
