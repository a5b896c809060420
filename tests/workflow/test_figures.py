"""Every figure from the tables of a real, tiny study."""

import pandas as pd
import pytest

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


def test_the_report_shows_each_figure_with_its_title_and_numbers(checkout):
    outcome = checkout.snakemake("--report", "report.html")
    assert outcome.code == 0, outcome.text
    report = (checkout.path / "report.html").read_text("utf-8")
    for name, title in (("fig1", "Figure 1: examples of"), ("fig3", "Figure 3: training and test")):
        for shows in ("picture", "numbers"):
            labels = f'"labels": {{"figure": "{name}", "shows": "{shows}"}}'
            assert labels in report
            assert title in report[report.index(labels) :][:500]
