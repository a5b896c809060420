"""The configuration: what is refused, and with which sentence."""

import copy
import json

import pytest
import yaml
from snakemake.utils import update_config

from rdpipe.common.errors import RdpipeError
from rdpipe.study.reading import merge, read_study
from rdpipe.study.settings.study import Study
from tests import ROOT


@pytest.fixture(scope="module")
def paper():
    return yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


def change(config, path, value):
    """A copy of the configuration with one key set; None removes it."""
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    here = config
    for key in parents:
        here = here[key]
    if value is None:
        del here[last]
    else:
        here[last] = value
    return config


def test_the_papers_study(paper):
    study = read_study(paper)
    assert study.datasets["tetrominoes"].facts.n == 163_840
    assert len(study.betas) == 12
    assert len(study.seeds) == 5
    assert sum(split.dataset == "tetrominoes" for split in study.splits.values()) == 18
    assert study.training.iterations == 257_000


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("iterations", 3, "iterations: there is no such setting; remove it or mend its spelling."),
        ("training.iteration", 3, "training.iteration: there is no such setting"),
        ("training.iterations", 0, "training.iterations: input should be greater than 0"),
        ("training.iterations", None, "training.iterations: this setting is missing; add it."),
        ("training.pack", ["arch"], "training.pack[0]: input should be 'beta' or 'seed'"),
        ("splits.cd-8k.ratio", 1.5, "splits.cd-8k.ratio: input should be less than or equal to 1"),
        ("splits.cd-8k.ratio", None, "splits.cd-8k.ratio: this setting is missing"),
        ("splits.cv-8k.kind", "random", "splits.cv-8k: "),
        ("splits.cv-8k.dataset", "mnits", "splits.cv-8k.dataset: there is no dataset 'mnits'"),
        ("splits.cd-8k.dataset", "mnist", "splits.cd-8k.kind: cd divides the range of factors"),
        ("splits.mnist-8k.n_train", 70_000, "splits.mnist-8k.n_train: 70000 training examples le"),
        ("datasets.mnist.size", 0, "datasets.mnist.size: input should be greater than 0"),
        ("datasets.mnist.kind", "images", "datasets.mnist.images: this setting is missing; add"),
        ("archs.cnn-1.width", 512, "archs.cnn-1.width: there is no such setting"),
        ("archs.mlp-1.penalty", "kl", "archs.mlp-1.penalty: input should be 'rate', 'mutual_in"),
        ("archs.mlp-1.early_stopping", 1, "archs.mlp-1.early_stopping: input should be less th"),
        ("evaluation.likelihood_samples", [9, 9], "evaluation.likelihood_samples: [9, 9] do not"),
        ("splits.cv-8k.n_train", 163_840, "splits.cv-8k.n_train: 163840 training examples leave"),
        ("splits.cv-8k.n_train", 100, "splits.cv-8k.n_train: 100 training examples do not fill"),
        ("betas", [1, 0.1, 1.0], "betas: 1 is given twice; remove one."),
        ("betas", [], "betas: "),
        ("betas", [-1], "betas[0]: input should be greater than or equal to 0"),
        ("seeds", [0, 0], "seeds: 0 is given twice"),
        (
            "experiments.fig3.splits",
            ["default", "cv-16"],
            "experiments.fig3.splits[1]: there is no split 'cv-16'; did you mean 'cv-16k'?",
        ),
        ("experiments.fig3.archs", ["mlp-2"], "experiments.fig3.archs[0]: there is no architect"),
        ("experiments.fig3.archs", ["mlp-1"] * 2, "experiments.fig3.archs: mlp-1 is given twice"),
        ("figures.fig3.experiment", "fig33", "figures.fig3.experiment: there is no experiment"),
        ("figures.fig99", {"experiment": "fig3"}, "figures.fig99: there is no module of rdpipe.f"),
        ("figures.fig3", {}, "figures.fig3: give exactly one of dataset, splits, experiment, cl"),
        (
            "figures.claims.claims",
            [{"name": "u_shape", "experiment": "fig3", "sparse": "cv-16k"}],
            "figures.claims.claims[0]: there is no claim 'u_shape'; there are ",
        ),
        (
            "figures.claims.claims",
            [{"name": "sparse_u_shape", "experiment": "x"}],
            "figures.claims.claims[0].experiment: there is no experiment 'x'",
        ),
        (
            "figures.claims.claims",
            [{"name": "sparse_u_shape", "experiment": "fig3", "sparse": "cv-16k"}],
            "figures.claims.claims[0]: claim sparse_u_shape lacks its role 'shallow'; its roles a",
        ),
        (
            "figures.claims.claims",
            [{"name": "sparse_u_shape", "experiment": "fig3", "splits": ["cv-16k"]}],
            "figures.claims.claims[0]: claim sparse_u_shape has no role 'splits'; its roles are s",
        ),
        (
            "figures.claims.claims",
            [
                {
                    "name": "sparse_u_shape",
                    "experiment": "fig3",
                    "sparse": "cv-16",
                    "shallow": "mlp-1",
                }
            ],
            "figures.claims.claims[0].sparse: there is no split 'cv-16'; did you mean 'cv-16k'?",
        ),
        (
            "figures.claims.claims",
            [{"name": "information_saturates", "experiment": "fig8", "sparse": 16}],
            "figures.claims.claims[0].sparse: input should be a valid string, but it is 16.",
        ),
        (
            "figures.claims.claims",
            [{"name": "less_rate_generalizes", "experiment": "fig8", "archs": ["mlp-1", "mlp-2"]}],
            "figures.claims.claims[0].archs[1]: there is no architecture 'mlp-2'; did you mean",
        ),
        (
            "figures.claims.claims",
            [{"name": "less_rate_generalizes", "experiment": "fig8", "archs": ["mlp-1"] * 2}],
            "figures.claims.claims[0].archs: mlp-1 is given twice; remove one.",
        ),
        (
            "figures.fig2.splits",
            ["defalt"],
            "figures.fig2.splits[0]: there is no split 'defalt'; d",
        ),
        (
            "figures.fig3.draw",
            "fig33",
            "figures.fig3.draw: there is no module of rdpipe.figures 'f",
        ),
        (
            "figures.training",
            {"experiment": "fig3"},
            "figures.training: a rule of the workflow has",
        ),
        ("evaluation.batch", 5000, "evaluation.batch: 5000 samples are more than evaluation.outer"),
        ("training.pack", ["beta", "beta"], "training.pack: beta is given twice; remove one."),
        ("betas", [1.000004], "betas: 1.000004 has more than the six digits that paths spell"),
        ("splits.cv-8k.kind", None, "splits.cv-8k.kind: this setting is missing; add it."),
        ("betas", [float("inf")], "betas[0]: input should be a finite number"),
        ("targets", ["fig33"], "targets[0]: there is no figure or experiment 'fig33'; did you"),
        ("datasets.tetrominoes.bins.hue", None, "datasets.tetrominoes.bins: hue missing"),
        ("datasets.tetrominoes.limits.hue", [1, 0], "datasets.tetrominoes.limits.hue: 1 is not b"),
    ],
)
def test_a_fault_is_refused_with_one_sentence_that_begins_with_the_key(
    paper, path, value, sentence
):
    with pytest.raises(RdpipeError) as caught:
        read_study(change(paper, path, value))
    lines = str(caught.value).splitlines()
    assert any(line.startswith(sentence) for line in lines), lines


def test_every_fault_is_told_at_once(paper):
    broken = change(change(paper, "seeds", [1, 1]), "betas", [2, 2])
    with pytest.raises(RdpipeError) as caught:
        read_study(broken)
    assert len(str(caught.value).splitlines()) == 2


def test_the_schema_is_current():
    path = ROOT / "workflow/schemas/config.schema.json"
    current = json.dumps(Study.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert path.read_text("utf-8") == current, "run `make schema`"


@pytest.mark.parametrize("overlay", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_overlay_is_a_study_and_merges_as_snakemake_would(paper, overlay):
    ours, theirs = copy.deepcopy(paper), copy.deepcopy(paper)
    merge(ours, yaml.safe_load(overlay.read_text("utf-8")))
    update_config(theirs, yaml.safe_load(overlay.read_text("utf-8")))
    assert ours == theirs
    read_study(ours)
