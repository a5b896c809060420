"""The configuration: what is refused, and with which sentence."""

import copy
import json
import re

import jsonschema
import pytest
import yaml
from snakemake.utils import update_config

from rdpipe.common.errors import RdpipeError
from rdpipe.study import reference
from rdpipe.study.files import read_file
from rdpipe.study.reading import merge, read_study
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
    ("path", "meant"),
    [
        ("betaz", "betas"),
        ("training.iteratons", "iterations"),
        ("archs.mlp-1.widht", "width"),
        ("archs.mixture.prior.component", "components"),
        ("datasets.tetrominoes.bin", "bins"),
        ("experiments.fig3.archz", "archs"),
        ("figures.fig3.experimnt", "experiment"),
        ("diagnostics.thread", "threads"),
        ("diagnostics.active_units.treshold", "threshold"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(paper, path, meant):
    mixture = {"kind": "mixture", "components": 3}
    config = change(paper, "archs.mixture", paper["archs"]["mlp-1"] | {"prior": mixture})
    config = change(config, "diagnostics.active_units", {})
    with pytest.raises(RdpipeError) as caught:
        read_study(change(config, path, 3))
    wrong = path.rpartition(".")[2]
    assert f"{path}: there is no setting {wrong!r}; did you mean {meant!r}?" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("iterations", 3, "iterations: there is no such setting here; move it into the block "),
        ("training.iterations", 0, "training.iterations: input should be greater than 0"),
        ("training.iterations", None, "training.iterations: this setting is missing; add it."),
        ("training.pack", ["arch"], "training.pack[0]: input should be 'beta' or 'seed'"),
        ("splits.cd-8k.ratio", 1.5, "splits.cd-8k.ratio: input should be less than or equal to 1"),
        ("splits.cd-8k.ratio", None, "splits.cd-8k.ratio: this setting is missing"),
        ("splits.cv-8k.kind", "random", "splits.cv-8k.kind: there is no kind 'random'; known are"),
        ("splits.cv-8k.kind", "cd", "splits.cv-8k.n_train: kind cd has no such setting; remove it"),
        ("splits.cv-8k.seed", 2**63, "splits.cv-8k.seed: input should be less than 92233720368547"),
        ("seeds", [2**63], "seeds[0]: input should be less than 9223372036854775808, but it is"),
        ("evaluation.seed", 2**63, "evaluation.seed: input should be less than 9223372036854775"),
        ("datasets.tetrominoes.seed", 2**63, "datasets.tetrominoes.seed: input should be less th"),
        ("datasets.mnist.size", True, "datasets.mnist.size: give a whole number, but it is true"),
        ("datasets.mnist.size", 31, "datasets.mnist.size: images of 28 × 28 pixels cannot be brou"),
        ("datasets.smallnorb.size", 36, "datasets.smallnorb.size: images of 96 × 96 pixels cann"),
        ("training.iterations", 5.5, "training.iterations: give a whole number, but it is 5.5."),
        ("training.learning_rate", True, "training.learning_rate: input should be a valid numbe"),
        ("training.checkpoints", [20, 10], "training.checkpoints: [20, 10] do not ascend; sort t"),
        ("training.checkpoints", [10, 10], "training.checkpoints: [10, 10] do not ascend; sort t"),
        ("training.checkpoints", [0], "training.checkpoints[0]: input should be greater than 0"),
        ("training.checkpoints", [257000], "training.checkpoints: 257000 is not before the end o"),
        ("archs.mlp-1.prior", "flows", "archs.mlp-1.prior.kind: there is no kind 'flows'; did you"),
        ("archs.mlp-1.prior", 3, "archs.mlp-1.prior: give settings, as in `name: value`, but it"),
        ("archs.mlp-1.prior", {"components": 3}, "archs.mlp-1.prior.kind: this setting is missi"),
        (
            "archs.mlp-1.prior",
            {"kind": "mixture", "components": 0},
            "archs.mlp-1.prior.components: input should be greater than 0, but it is 0.",
        ),
        (
            "archs.mlp-1.prior",
            {"kind": "mixture", "width": 3},
            "archs.mlp-1.prior.width: kind mixture has no such setting; remove it",
        ),
        (
            "archs.mlp-1",
            {"kind": "mlp", "layers": 1, "latent": 1, "prior": "flow"},
            "archs.mlp-1.prior: a flow changes one half of the latent dimensions at a time, but",
        ),
        (
            "archs.mlp-1.prior",
            {"kind": "vamp", "components": 8193},
            "archs.mlp-1.prior.components: 8193 pseudo-inputs start as training images, but split",
        ),
        ("archs.mlp-1.likelihood", "gauss", "archs.mlp-1.likelihood: input should be 'bernoulli'"),
        ("archs", {False: {"kind": "mlp", "layers": 1}}, "archs: a name here is false (YAML rea"),
        ("archs", {"Wide": {"kind": "mlp", "layers": 1}}, "archs: 'Wide' is no possible name her"),
        ("experiments.fig3.archs", [False], "experiments.fig3.archs[0]: give a text, in quotes"),
        ("training", 3, "training: give settings, as in `name: value`, but it is 3."),
        ("downloads", "$NOWHERE/x", "downloads: $NOWHERE/x names the variable NOWHERE, which is"),
        ("store", "${NOWHERE}", "store: ${NOWHERE} names the variable NOWHERE, which is not set"),
        ("store", "~no-such-user/x", "store: ~no-such-user/x names a user without a home; write"),
        ("datasets.mnist", {"kind": "images", "images": "$NOWHERE"}, "datasets.mnist.images: $NO"),
        (
            "datasets.mnist",
            {"kind": "images", "images": "x", "factors": "$NOWHERE"},
            "datasets.mnist.factors: $NOWHERE names the variable NOWHERE",
        ),
        (
            "datasets.mnist",
            {"kind": "images", "images": "x", "size": "3"},
            "datasets.mnist.size: '3' is no size in pixels",
        ),
        ("splits.cv-8k.dataset", "mnits", "splits.cv-8k.dataset: there is no dataset 'mnits'"),
        ("splits.cd-8k.dataset", "mnist", "splits.cd-8k.kind: cd divides the range of factors"),
        ("splits.mnist-8k.n_train", 70_000, "splits.mnist-8k.n_train: 70000 training examples le"),
        ("datasets.mnist.size", 0, "datasets.mnist.size: input should be greater than 0"),
        ("datasets.mnist.kind", "images", "datasets.mnist.images: this setting is missing; add"),
        ("archs.cnn-1.width", 512, "archs.cnn-1.width: kind cnn has no such setting"),
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
        ("experiments.fig3.diagnostics", ["gap"], "experiments.fig3.diagnostics[0]: there is no d"),
        ("experiments.fig3.diagnostics", ["pictures"], "experiments.fig3.diagnostics[0]: there is"),
        (
            "figures.fig3.diagnostic",
            "picture",
            "figures.fig3.diagnostic: there is no diagnostic of",
        ),
        ("figures.fig1.diagnostic", "pictures", "figures.fig1.diagnostic: it is measured on runs"),
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
            "figures.claims.claims[0].sparse: give the name of a split or an architecture, or a l",
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


@pytest.mark.parametrize(
    ("changes", "n"),
    [
        ({"seeds": [1, 1], "betas": [2, 2], "targets": ["fig33"]}, 3),
        ({"seeds": [-1], "training.batch_size": 0}, 2),
        ({"datasets.mnist.size": 31, "datasets.tetrominoes.limits.x": [2, 1], "seeds": [0, 0]}, 3),
        ({"betas": [-1]}, 1),  # and not that the list would then be empty
    ],
)
def test_every_fault_is_told_at_once_and_once(paper, changes, n):
    for path, value in changes.items():
        paper = change(paper, path, value)
    with pytest.raises(RdpipeError) as caught:
        read_study(paper)
    lines = str(caught.value).splitlines()
    assert len(lines) == n, lines


@pytest.mark.parametrize("value", ["1e-3", 1])
def test_numbers_that_yaml_or_people_write_otherwise_are_read(paper, value):
    """YAML 1.1 reads 1e-3 as a text, and 1 as an integer."""
    assert read_study(change(paper, "training.learning_rate", value)).training.learning_rate == (
        float(value)
    )


def test_paths_are_expanded_alike(paper, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DISK", str(tmp_path))
    for place in ("~/x", "$DISK/x", "${DISK}/x"):
        own = {"kind": "images", "images": place, "factors": place}
        config = change(change(paper, "datasets.mnist", own), "downloads", place)
        study = read_study(change(config, "store", place.replace("/x", "")))
        expanded = str(tmp_path / "x")
        assert (study.store, study.downloads) == (str(tmp_path), expanded)
        assert study.datasets["mnist"].places("-") == {"images": expanded, "factors": expanded}
        assert study.datasets["fashion-mnist"].places(study.downloads) == {"downloads": expanded}


@pytest.mark.parametrize("size", [28, 30, 32, 14, None])
def test_sizes_that_can_be_reached_are_read(paper, size):
    mnist = {"kind": "mnist", "size": size}
    facts = read_study(change(paper, "datasets.mnist", mnist)).datasets["mnist"].facts
    assert facts.shape == (size or 28, size or 28, 1)


def test_a_setting_given_twice_is_refused_with_both_lines(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seeds: [0]\nsplits:\n  a: {n_train: 1, n_train: 2}\nseeds: [1]\n")
    with pytest.raises(RdpipeError) as caught:
        read_file(path)
    assert str(caught.value).splitlines() == [
        f"{path}: splits.a.n_train is given in line 3 and again in line 3; remove one.",
        f"{path}: seeds is given in line 1 and again in line 4; remove one.",
    ]


def test_anchors_may_give_a_setting_that_an_entry_replaces(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}\n")
    assert read_file(path) == {"a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 1}}


def test_the_schemas_and_the_page_of_settings_are_current():
    for name, current in {
        "workflow/schemas/config.schema.json": _json(reference.schema()),
        "workflow/schemas/overlay.schema.json": _json(reference.schema(overlay=True)),
        "docs/settings.md": reference.page(),
    }.items():
        assert (ROOT / name).read_text("utf-8") == current, f"{name}: run `make schema`"


def _json(value):
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


# config/config.yaml is a link to config.yaml, for snakedeploy
OVERLAYS = sorted(path for path in (ROOT / "config").glob("*.yaml") if not path.is_symlink())


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *OVERLAYS], ids=lambda path: path.stem)
def test_editors_find_the_schema_of_every_file_and_it_fits(path):
    text = path.read_text("utf-8")
    line = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    schema = json.loads((path.parent / line[1]).read_text("utf-8"))
    jsonschema.validate(yaml.safe_load(text), schema)


@pytest.mark.parametrize(
    "text", ["betas: [-1]", "archs: {mlp-1: {widht: 3}}", "splits: {half: {kind: cd, n_train: 3}}"]
)
def test_editors_see_faults_of_an_overlay(text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), reference.schema(overlay=True))


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_every_overlay_is_a_study_and_merges_as_snakemake_would(paper, overlay):
    ours, theirs = copy.deepcopy(paper), copy.deepcopy(paper)
    merge(ours, yaml.safe_load(overlay.read_text("utf-8")))
    update_config(theirs, yaml.safe_load(overlay.read_text("utf-8")))
    assert ours == theirs
    read_study(ours)


def test_the_examples_of_the_readme_are_overlays(paper):
    text = (ROOT / "config/README.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.S)
    merge(paper := copy.deepcopy(paper), yaml.safe_load(example))
    read_study(paper)
