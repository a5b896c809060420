"""Every figure from the tables of a real, tiny study."""

import numpy as np
import pandas as pd
import pytest

import rdpipe

pytestmark = pytest.mark.workflow

TINY = {"layers": 1, "width": 8, "latent": 2}
STUDY = {
    "splits": {
        "half": {"dataset": "tiny", "kind": "cv", "n_train": 128},
        "board": {"dataset": "tiny", "kind": "checkerboard"},
    },
    "archs": {
        "mlp-1": {"kind": "mlp", **TINY},
        "cnn-1": {"kind": "cnn", "layers": 1, "channels": 2, "latent": 2},
        "stopped": {"kind": "mlp", **TINY, "early_stopping": 0.1},
        "no-kl": {"kind": "mlp", **TINY, "penalty": "mutual_information"},
        "no-mi": {"kind": "mlp", **TINY, "penalty": "marginal_kl"},
    },
    "seeds": [0],
    "experiments": {
        "both": {"splits": ["half", "board"], "archs": ["mlp-1"]},
        "fig6": {"splits": ["half"], "archs": ["mlp-1", "cnn-1"]},
        "early_stopping": {"splits": ["half"], "archs": ["mlp-1", "stopped"]},
        "ablations": {"splits": ["half"], "archs": ["mlp-1", "no-kl", "no-mi"]},
    },
}
OF_BOTH = [
    *("fig3", "fig4", "fig5", "fig7", "fig8"),
    *("nearest_neighbours", "log_likelihood", "memorization", "optimal_decoder"),
]
OF_THEIR_OWN = ["fig6", "early_stopping", "ablations"]


@pytest.mark.long
def test_every_figure_is_drawn_from_what_the_workflow_measures(checkout):
    targets = [*OF_BOTH, *OF_THEIR_OWN, "claims"]
    figures = {name: {"experiment": "both"} for name in OF_BOTH}
    claim = {"name": "information_saturates", "experiment": "both", "sparse": "half"}
    figures["claims"] = {"claims": [claim]}
    study = STUDY | {"figures": figures, "targets": targets}
    outcome = checkout.snakemake(**study)
    assert outcome.code == 0, outcome.text
    for name in targets:
        numbers = pd.read_csv(checkout.path / f"results/tests/figures/{name}.csv")
        assert len(numbers), name


def test_snakemakes_own_report_shows_figures_first_then_numbers_and_tables(checkout):
    figures = {"mine": {"draw": "fig3", "experiment": "fig3"}}
    study = {"figures": figures, "targets": ["fig1", "fig3", "mine"]}
    assert checkout.snakemake(**study).code == 0
    outcome = checkout.snakemake("--report", "report.html", **study)
    assert outcome.code == 0, outcome.text
    report = (checkout.path / "report.html").read_text("utf-8")
    titles = {
        "fig1": "Figure 1: examples of",
        "fig3": "Figure 3: training",
        "mine": "mine: training",
    }
    for name, title in titles.items():
        labels = f'"labels": {{"figure": "{name}"}}'
        assert report.count(labels) == 2  # the picture and its numbers
        assert title in report[report.index(labels) :][:500]
    assert '"labels": {"experiment": "fig3"}' in report
    assert report.index('"Figures"') < report.index('"Numbers of figures"')


def test_the_target_report_writes_one_page_and_what_python_opens(checkout):
    outcome = checkout.snakemake("report")
    assert outcome.code == 0, outcome.text
    assert "The report is in results/tests/report.html." in outcome.text
    page = (checkout.path / "results/tests/report.html").read_text("utf-8")
    assert "<b>4</b> of 4 runs finished" in page and 'id="figure-fig3"' in page
    results = rdpipe.open(checkout.path / "results")
    run = results.run("half", "mlp-1", beta=0.1, seed=1)
    images = run.images("test")
    shown = run.reconstructions
    again = run.model.reconstruct(images[shown["test"]])
    assert np.abs(again * 255 - shown["reconstruction"]).max() <= 0.51  # which is rounded
    assert set(results.runs()["status"]) == {"finished"}
