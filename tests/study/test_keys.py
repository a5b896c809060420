"""Which settings move which addresses: each setting of each model, found by walking the models."""

import copy
from typing import Literal, get_args, get_origin

import pytest
import yaml

from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from rdpipe.study.reference import models_in
from rdpipe.study.settings.diagnostics import FILES, MEASURES
from rdpipe.study.settings.study import STAGES, Study
from tests import ROOT

PAPER = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
OWN = {"kind": "images", "images": "a.npy", "factors": "a.csv", "size": [8, 8]}

PAPER_POINTS = ROOT / "docs/reproduction/paper.csv"

EVERYTHING = set(STAGES)
RUNS = {"training", "evaluation", "diagnostics", "tables", "figures"}
SHOWN = {"tables", "figures"}
# For each block: an entry in the paper's study, and the stages that its settings move.
PLACES = {
    "Study": ("", SHOWN),
    "Tetrominoes": ("datasets.tetrominoes", EVERYTHING),
    "MNIST": ("datasets.mnist", EVERYTHING),
    "FashionMNIST": ("datasets.fashion-mnist", EVERYTHING),
    "SmallNORB": ("datasets.smallnorb", EVERYTHING),
    "Shapes3D": ("datasets.shapes3d", EVERYTHING),
    # no experiment studies these
    "DSprites": ("datasets.dsprites", EVERYTHING - RUNS),
    "CIFAR10": ("datasets.cifar10", EVERYTHING - RUNS),
    "Images": ("datasets.own", EVERYTHING - RUNS),
    "CV": ("splits.cv-16k", EVERYTHING - {"datasets"}),
    "CD": ("splits.cd-16k", EVERYTHING - {"datasets"}),
    "Checkerboard": ("splits.checkerboard", EVERYTHING - {"datasets"}),
    "MLP": ("archs.mlp-1", RUNS),
    "CNN": ("archs.cnn-1", RUNS),
    "Standard": ("archs.mlp-1.prior", RUNS),
    "Mixture": ("archs.mixture.prior", RUNS),
    "Vamp": ("archs.vamp.prior", RUNS),
    "Flow": ("archs.flow.prior", RUNS),
    "Training": ("training", RUNS),
    "Evaluation": ("evaluation", RUNS - {"training", "diagnostics"}),
    "Diagnostics": ("diagnostics", RUNS - {"training", "evaluation"}),
    "InferenceGap": ("diagnostics.inference_gap", RUNS - {"training", "evaluation"}),
    "FittedPrior": ("diagnostics.fitted_prior", RUNS - {"training", "evaluation"}),
    "ActiveUnits": ("diagnostics.active_units", RUNS - {"training", "evaluation"}),
    "LeaveOut": ("diagnostics.leave_out", {"diagnostics", "figures"}),
    "Pictures": ("diagnostics.pictures", {"diagnostics", "figures"}),
    "DecoderMemorization": (
        "diagnostics.decoder_memorization",
        RUNS - {"training", "evaluation"},
    ),
    "Experiment": ("experiments.fig3", SHOWN),
    "Figure": ("figures.fig3", {"figures"}),
    "Claim": ("figures.claims.claims.0", {"figures"}),
}
# Another value of each setting whose type does not give one.
VALUES = {
    "Study.name": "other",
    "Study.store": "results/elsewhere",
    "Study.downloads": "elsewhere",
    "Study.betas": [0.1, 1],
    "Study.seeds": [0],
    "Study.targets": ["fig1"],
    "Tetrominoes.bins": {"angle": 16, "hue": 8, "scale": 5, "x": 16, "y": 17},
    "Tetrominoes.limits": {
        "angle": [0, 360], "hue": [0, 0.875], "scale": [2, 5], "x": [8, 23], "y": [8, 22],
    },
    "MNIST.size": 30, "FashionMNIST.size": 30, "SmallNORB.size": 48, "Shapes3D.size": 16,
    "DSprites.size": 16, "CIFAR10.size": 16,
    "Images.images": "b.npy", "Images.factors": "b.csv", "Images.size": [8, 9],
    "CV.dataset": "shapes3d", "CD.dataset": "shapes3d", "Checkerboard.dataset": "shapes3d",
    "MLP.prior": "flow", "CNN.prior": {"kind": "mixture", "components": 3},
    "MLP.early_stopping": 0.3, "CNN.early_stopping": 0.3,
    "Training.checkpoints": [1000], "Training.pack": ["seed"], "Evaluation.pack": ["seed"],
    "Diagnostics.pack": ["seed"],
    "FittedPrior.components": [1, 3], "Experiment.diagnostics": ["active_units"],
    "Evaluation.likelihood_samples": [10],
    "Experiment.splits": ["cv-16k"], "Experiment.archs": ["mlp-1"],
    "Figure.published": str(PAPER_POINTS), "Figure.draw": "fig4", "Figure.experiment": "fig4",
    "Figure.diagnostic": "pictures", "Claim.experiment": "fig5",
}  # fmt: skip
# Settings that move other stages than their block does.
OTHERS = {
    "Training.checkpoints": SHOWN,  # the paths of runs spell them
    "Experiment.splits": SHOWN | {"diagnostics"},  # other runs are measured
    "Experiment.archs": SHOWN | {"diagnostics"},
}
# A figure with another source is another entry.
INSTEAD = {
    "Figure.dataset": {"draw": "fig1", "dataset": "tetrominoes"},
    "Figure.splits": {"draw": "fig2", "splits": ["cv-16k"]},
    "Claim.name": {"name": "sparse_u_shape", "experiment": "fig3", "sparse": "cv-16k",
                   "shallow": "mlp-1"},
    "Claim.roles": {"name": "dense_no_memorization", "experiment": "fig3", "dense": "cv-16k"},
    "Figure.claims": {"draw": "claims", "claims": PAPER["figures"]["claims"]["claims"][:1]},
}  # fmt: skip
MODELS = {model.__name__: model for model in [Study, *models_in(Study)]}
BLOCKS = {"datasets", "splits", "archs", "training", "evaluation", "experiments", "figures"}
BLOCKS |= {"diagnostics", *MEASURES}
SETTINGS = [
    f"{name}.{field}"
    for name, model in MODELS.items()
    for field, info in model.model_fields.items()
    if not (name in ("Study", "Diagnostics") and field in BLOCKS)
    # a kind has one value: another kind is another model
    if not (get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1)
]
SETTINGS += ["Claim.roles"]  # the keys of a claim that are no field of its model


def study():
    """The paper's study with every kind of dataset, a split of each, and every kind of prior."""
    config = copy.deepcopy(PAPER)
    for prior in ("mixture", "vamp", "flow"):
        config["archs"][prior] = {"kind": "mlp", "layers": 1, "prior": {"kind": prior}}
    config["experiments"]["priors"] = {"splits": ["cv-16k"], "archs": ["mixture", "vamp", "flow"]}
    config["figures"]["priors"] = {"draw": "fig7", "experiment": "priors"}
    config["datasets"]["own"] = dict(OWN)
    for kind in ("dsprites", "cifar10"):
        config["datasets"][kind] = {"kind": kind}
    for dataset in ("own", "dsprites", "cifar10"):
        config["splits"][dataset] = {"dataset": dataset, "kind": "cv", "n_train": 512}
    config["figures"]["fig3"]["draw"] = "fig3"
    for experiment in config["experiments"].values():
        experiment["diagnostics"] = [name for name in MEASURES if name not in FILES]
    for name, diagnostic in (("samples", "pictures"), ("leave_out", "leave_out")):
        config["figures"][name] = {"experiment": "fig3", "diagnostic": diagnostic}
    config["diagnostics"] = {name: {} for name in MEASURES}
    return config


def addresses(config):
    """The addresses of every stage."""
    plan = Plan(read_study(config), {"own": "0" * 64, "figures.fig3": "1" * 64})
    return {stage: set(plan.addresses(stage)) for stage in STAGES}


@pytest.fixture(scope="module")
def before():
    return addresses(study())


def another(setting, value, annotation):
    """Another value of a setting."""
    if setting in VALUES:
        return VALUES[setting]
    if get_origin(annotation) is Literal:
        return next(choice for choice in get_args(annotation) if choice != value)
    if annotation is bool:
        return not value
    if annotation is int:
        return value + 1
    if annotation is float:
        return value / 2
    return pytest.fail(f"give another value of the new setting {setting} in VALUES of this file")


def test_every_block_has_a_place_here():
    assert set(PLACES) == set(MODELS)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_moves_the_stages_that_depend_on_it_unless_it_is_neutral(setting, before):
    name, field = setting.split(".")
    model, (place, stages) = MODELS[name], PLACES[name]
    config = here = study()
    for key in filter(None, place.split(".")):
        here = here[int(key) if key.isdigit() else key]
    if setting in INSTEAD:
        here.clear()
        here.update(INSTEAD[setting])
    else:
        info = model.model_fields[field]
        value = here.get(field, info.default)
        here[field] = another(setting, value, info.annotation)
        assert here[field] != value
    after = addresses(config)
    moved = {stage for stage in STAGES if after[stage] != before[stage]}
    assert moved == (set() if field in model.neutral() else OTHERS.get(setting, stages))


def test_these_settings_are_neutral_and_no_other():
    assert {f"{name}.{field}" for name in MODELS for field in MODELS[name].neutral()} == {
        "Study.name", "Study.store", "Study.downloads", "Study.targets",
        "Training.keep_states", "Training.pack", "Training.threads", "Training.save_every",
        "Evaluation.pack", "Evaluation.threads", "Diagnostics.pack", "Diagnostics.threads",
        "Images.images", "Images.factors",
    }  # fmt: skip


def test_the_content_of_own_images_moves_their_addresses():
    one, other = (Plan(read_study(study()), {"own": digest}) for digest in ("a", "b"))
    assert one.datasets["own"].address != other.datasets["own"].address
    assert one.splits["own"].address != other.splits["own"].address
    assert one.splits["cv-16k"].address == other.splits["cv-16k"].address


def test_the_content_of_published_points_moves_the_figure_and_nothing_else():
    config = study()
    config["figures"]["fig3"]["published"] = str(PAPER_POINTS)
    one, other = (
        Plan(read_study(config), {"own": None, "figures.fig3": digest}) for digest in "ab"
    )
    assert one.figures["fig3"].address != other.figures["fig3"].address
    assert one.tables["fig3"].address == other.tables["fig3"].address
    assert one.figure_inputs(one.figures["fig3"])["published"] == str(PAPER_POINTS)


def test_a_plan_reads_and_writes_no_file_of_the_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Plan(read_study(study()), {"own": None})
    assert list(tmp_path.rglob("*")) == []
