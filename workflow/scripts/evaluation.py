"""Evaluate the runs of one job."""

from functools import partial
from pathlib import Path

from rdpipe.jobs import Item, Job

spec, given, out = snakemake.params.spec, snakemake.input, snakemake.output
shared = {"train": given.train, "test": given.test, "distances": given.distances}


def compute(items, finish, _state):
    from rdpipe import evaluation

    split = evaluation.load_split(**{name: Path(path) for name, path in shared.items()})
    for item in items:
        run, model = Path(item.inputs["run"]), Path(item.inputs["model"])
        finish(
            item,
            partial(
                evaluation.write_evaluation, split=split, run=run, model=model, **spec["settings"]
            ),
        )


job = Job(spec, store=snakemake.params.store, log_file=snakemake.log[0], threads=snakemake.threads)
items = [
    Item(
        {**shared, "model": model, "run": run},
        {"metrics.parquet": metrics, "reconstructions.npz": reconstructions},
        axes,
    )
    for axes, model, run, metrics, reconstructions in zip(
        spec["runs"], given.model, given.run, out.metrics, out.reconstructions, strict=True
    )
]
job.make_all(items, compute)
