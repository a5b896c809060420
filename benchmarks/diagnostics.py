"""Processor time of each diagnostic of one run, by default on 16,384 training and test images.

    python benchmarks/diagnostics.py --archs mlp-1 --json diagnostics.json

Images and parameters are random, so nothing needs to be trained first. Fitting posteriors takes as
many steps as --steps says for both parts, and as it takes if that is more than enough: the time is
proportional to the steps, which are counted. The time of all threads is added up, so that other
work on the machine counts little.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from _common import Row, parser, save, show
from evaluation import ARCHS, random_split, write_random_run

from rdpipe.common.files import read_parquet
from rdpipe.diagnostics import active_units, decoder_memorization, fitted_prior, inference_gap
from rdpipe.study.settings.diagnostics import Diagnostics

MEASURES = {
    "active_units": active_units,
    "decoder_memorization": decoder_memorization,
    "fitted_prior": fitted_prior,
    "inference_gap": inference_gap,
}


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """One row an architecture and measure."""
    split = random_split(options.train, options.test)
    parts = {"train": split.train.images, "test": split.test.images}
    for arch in options.archs:
        with tempfile.TemporaryDirectory() as folder:
            paths = write_random_run(Path(folder), ARCHS[arch])
            for name, measure in MEASURES.items():
                settings = Diagnostics().measure(name)
                if name == "inference_gap":
                    settings["steps"] = options.steps
                start = time.process_time()
                measure.write_measure(Path(folder), parts, **paths, **settings)
                seconds = time.process_time() - start
                row = {"arch": arch, "measure": name, "train": options.train, "test": options.test}
                if name == "inference_gap":
                    table = read_parquet(Path(folder) / "metrics.parquet")
                    steps = int(table["inference_steps"].sum())
                    row |= {"steps": steps, "per_1000_steps": 1000 * seconds / max(steps, 1)}
                yield row | {"threads": options.threads, "cpu_seconds": seconds}


def main() -> None:
    """Print one line an architecture and measure; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("--train", type=int, default=16_384, help="training images")
    options.add_argument("--test", type=int, default=16_384, help="test images")
    options.add_argument("--archs", nargs="+", choices=ARCHS, default=["mlp-1"])
    options.add_argument("--steps", type=int, default=2000, help="the most steps of a fit")
    options.add_argument("--threads", type=int, default=2)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    columns = {"arch": "{}", "measure": "{}", "cpu_seconds": "{:.1f}", "steps": "{}"}
    columns["per_1000_steps"] = "{:.1f}"
    save(given.json, show("Diagnostics, seconds of processor time", rows(given), columns))


if __name__ == "__main__":
    main()
