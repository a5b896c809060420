"""Labels and colours of splits, datasets and architectures."""

import pytest
import yaml

from rdpipe.figures import _labels
from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from tests import ROOT
from tests.figures.synthetic import ALL_SPLITS, SIZES, arch, synthetic_table

PAPER = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("n", "label"),
    [(81_920, "82k"), (16_384, "16k"), (147_456, "147k"), (819, "819"), (150, "150")],
)
def test_sizes_are_written_as_in_the_paper(n, label):
    assert _labels.thousands(n) == label


def split(name, dataset="tetrominoes", kind="tetrominoes"):
    return {"name": name, "dataset": dataset, "dataset_kind": kind}


def labels(*facts, splits=ALL_SPLITS):
    found = _labels.splits(facts, synthetic_table((1.0,), splits=splits))
    return [one.label for one in found]


def test_a_split_is_labelled_as_in_the_paper():
    assert labels(split("cv-16k")) == ["CV(16k/147k)"]


def test_splits_are_labelled_with_their_dataset_unless_all_are_of_the_papers_own():
    fashion = split("cd-16k", "clothes", "fashion_mnist")
    assert labels(fashion) == ["Fashion-MNIST, CD(16k/16k)"]
    both = ["Tetrominoes, CV(16k/147k)", "Fashion-MNIST, CD(16k/16k)"]
    assert labels(split("cv-16k"), fashion) == both


def test_own_images_go_by_their_name_in_the_study():
    assert labels(split("cv-16k", "photos", "images")) == ["photos, CV(16k/147k)"]


def test_splits_that_look_alike_go_by_their_names():
    splits = dict.fromkeys(("a", "b"), ("cv", 16384, 147456)) | {"c": ("cv", 8192, 155648)}
    expected = ["CV(16k/147k) (a)", "CV(16k/147k) (b)", "CV(8k/156k)"]
    assert labels(split("a"), split("b"), split("c"), splits=splits) == expected


def test_datasets_that_look_alike_go_by_their_names():
    splits = dict.fromkeys(("a", "b"), ("cv", 16384, 147456))
    expected = ["Tetrominoes (small), CV(16k/147k)", "Tetrominoes (large), CV(16k/147k)"]
    assert labels(split("a", "small"), split("b", "large"), splits=splits) == expected


def test_of_splits_of_one_kind_the_largest_is_the_darkest():
    table = synthetic_table((1.0,), splits=ALL_SPLITS)
    colours = _labels.split_colours(_labels.splits([split(name) for name in ALL_SPLITS], table))
    light = {split.name: sum(colour[:3]) for split, colour in colours.items()}
    cd = [light[f"cd-{n // 1000}k"] for n in SIZES]
    assert cd == sorted(cd, reverse=True)
    assert len({tuple(colour) for colour in colours.values()}) == len(ALL_SPLITS)


@pytest.mark.parametrize(
    ("facts", "label"),
    [
        (arch("mlp", 1), "1-layer MLP"),
        (arch("cnn", 3), "3-layer CNN"),
        (arch("mlp", 3, early_stopping=0.2), "3-layer MLP, early stopping"),
        (arch("mlp", 1, penalty="mutual_information"), "1-layer MLP, no marginal KL"),
        (
            arch("mlp", 1, penalty="marginal_kl", early_stopping=0.1),
            "1-layer MLP, no MI, early stopping",
        ),
    ],
)
def test_an_architecture_is_labelled_by_depth_kind_and_variant(facts, label):
    [found] = _labels.archs([facts])
    assert found.label == label


def test_a_variant_knows_its_plain_architecture_by_all_other_settings():
    facts = [
        arch("mlp", 1, name="wide", width=1024),
        arch("mlp", 1, name="plain", width=512),
        arch("mlp", 1, "early stopping", name="stopped", width=512),
        arch("mlp", 3, "early stopping", name="alone", width=512),
    ]
    bases = {one.name: one.base for one in _labels.archs(facts)}
    assert bases == {"wide": "wide", "plain": "plain", "stopped": "plain", "alone": None}


def test_architectures_of_a_study_that_look_alike_go_by_their_names():
    wide = {"kind": "mlp", "layers": 1, "width": 1024}
    config = PAPER | {"archs": PAPER["archs"] | {"wide": wide}}
    fig3 = PAPER["experiments"]["fig3"] | {"archs": ["mlp-1", "wide", "mlp-3"]}
    config["experiments"] = PAPER["experiments"] | {"fig3": fig3}
    facts = Plan(read_study(config)).figures["fig3"].settings["archs"]
    found = [one.label for one in _labels.archs(facts)]
    assert found == ["1-layer MLP (mlp-1)", "1-layer MLP (wide)", "3-layer MLP"]


def test_every_kind_of_public_dataset_and_every_penalty_of_a_study_has_words():
    paper = Plan(read_study(PAPER))
    facts = [node.settings for node in paper.figures.values() if "archs" in node.settings]
    kinds = {split["dataset_kind"] for one in facts for split in one["splits"]}
    assert kinds <= {*_labels.DATASETS}
    variants = {one.variant for fact in facts for one in _labels.archs(fact["archs"])}
    assert variants == {"", "early stopping", "no marginal KL", "no MI"}
