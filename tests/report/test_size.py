"""The report of the paper's 6,240 runs takes at most 15 MB."""

import numpy as np
import yaml

from rdpipe.common.files import read_parquet, write_parquet
from rdpipe.report.page import page
from rdpipe.tables import OWN_AXES
from tests import ROOT
from tests.report.made_up import plan_of, results_of, write_files

PAPER = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
SAMPLE = {"splits": ["default", "cv-16k"], "archs": ["mlp-1", "mlp-3"]}
STUDY = {key: PAPER[key] for key in ("betas", "seeds", "evaluation", "training")} | {
    "experiments": {"sample": SAMPLE},
    "figures": {"fig3": {"experiment": "sample"}},
    "targets": ["sample"],
}
RUNS, FIGURES = 6240, 2.5e6  # bytes of figures: 17 with 140 kB each, as in the demo
BYTES_PER_IMAGE = 550  # of the demo's reconstructions: 540


def test_the_report_of_a_study_of_the_papers_size_takes_at_most_15_mb(tmp_path):
    shown = page(results_of(tmp_path, plan_of(STUDY), write=write_run))
    sampled = len(PAPER["betas"]) * len(PAPER["seeds"]) * 4
    assert f"<b>{sampled}</b> of {sampled} runs finished" in shown
    assert len(shown) > 4 * len(PAPER["betas"]) * 8 * BYTES_PER_IMAGE  # as large as real pictures
    assert len(shown) / sampled * RUNS + FIGURES < 15e6


def write_run(run, plan, status):
    """A run with pictures and a history as large as those of the paper's study."""
    if run.seed == min(PAPER["seeds"]):
        random = np.random.default_rng([int(1000 * run.beta), len(run.arch), len(run.split)])
        images = np.stack([[blurred(random) for _ in range(8)] for _ in range(4)])
    else:
        images = np.zeros((4, 8, 32, 32, 3), np.uint8)
    write_files(run, {"status": status}, images, intervals=257)
    measured = read_parquet(run.evaluation / "metrics.parquet")
    for k in PAPER["evaluation"]["likelihood_samples"]:
        measured = measured.assign(
            **{f"log_likelihood_{k}{end}": -99.0 for end in ("", "_se", "_ess")}
        )
    values = measured.columns.drop([*OWN_AXES, "n", "status"])
    # as many digits as real measures have
    noise = np.random.default_rng(run.seed).uniform(0.5, 1.5, (2, len(values)))
    write_parquet(run.evaluation / "metrics.parquet", measured.assign(**measured[values] * noise))


def blurred(random):
    """A coloured blob with the soft edges and faint noise of a reconstruction."""
    y, x = np.indices((32, 32))
    at, wide = random.uniform(8, 23, 2), random.uniform(2, 5, 2)
    blob = np.exp(-(((x - at[0]) / wide[0]) ** 2) - ((y - at[1]) / wide[1]) ** 2)
    noise = 1 + 0.05 * random.standard_normal((32, 32))
    shade = 255 * blob * noise
    return np.clip(shade[..., None] * random.uniform(0, 1, 3), 0, 255).astype(np.uint8)
