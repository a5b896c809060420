"""Datasets that rest on files. Each test runs the real Snakemake."""

import numpy as np
import pytest

pytestmark = pytest.mark.workflow

FIGURE_7 = {"betas": [1], "seeds": [0], "targets": ["fig1", "fig7"]}


def study(datasets, splits):
    """Settings of a tiny Figure 7 over these splits, beside the tests' own dataset."""
    experiments = {"fig7": {"splits": list(splits), "archs": ["mlp-1"]}}
    return {**FIGURE_7, "datasets": datasets, "splits": splits, "experiments": experiments}


@pytest.fixture
def no_network(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def test_missing_files_of_a_dataset_stop_nothing_else(checkout, no_network):
    splits = {"digits": {"dataset": "mnist", "kind": "cv", "n_train": 100}}
    outcome = checkout.snakemake(**study({"mnist": {"kind": "mnist"}}, splits))
    assert outcome.code != 0
    told = "datasets mnist: MNIST lacks"
    (sentence,) = {line for line in outcome.text.splitlines() if line.startswith(told)}
    for name in ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        assert name in sentence
    assert "by hand" in sentence
    assert str(checkout.path / "downloads" / "mnist") in sentence
    assert "Traceback" not in outcome.text
    figures = checkout.path / "results/tests/figures"
    assert (figures / "fig1.pdf").is_file()
    assert not (figures / "fig7.pdf").exists()


@pytest.mark.long
def test_ones_own_images_count_by_their_content(checkout):
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 6), np.uint8)
    np.save(checkout.path / "one.npy", images)
    splits = {"photos": {"dataset": "photos", "kind": "cv", "n_train": 32}}

    def run(path):
        return checkout.snakemake(**study({"photos": {"kind": "images", "images": path}}, splits))

    of_photos = {"datasets photos", "splits photos", "neighbours photos", "tables fig7"}
    of_photos |= {f"{stage} photos/mlp-1 beta=1 seed=0" for stage in ("training", "evaluation")}
    of_photos |= {"figures fig7"}
    assert run("one.npy").computed == of_photos

    (checkout.path / "one.npy").rename(checkout.path / "two.npy")
    assert run("two.npy").nothing

    np.save(checkout.path / "two.npy", images[::-1])
    assert run("two.npy").computed == of_photos

    (checkout.path / "two.npy").unlink()
    outcome = run("two.npy")
    assert outcome.code != 0
    assert "two.npy does not exist; put it there" in outcome.text

    np.save(checkout.path / "two.npy", images)
    assert run("two.npy").nothing
