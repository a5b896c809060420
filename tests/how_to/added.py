"""What the how-to pages add. `test_pages.py` calls pytest on this file in a copy of rdpipe."""

import copy
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import rdpipe
from rdpipe import figures
from rdpipe.claims.judging import judge
from rdpipe.common.entropy import bernoulli_entropy
from rdpipe.common.files import read_json, read_npz
from rdpipe.datasets import discs
from rdpipe.evaluation import evaluate
from rdpipe.evaluation.examples import Part, Split
from rdpipe.study.plan import Plan
from rdpipe.study.reading import merge, read_study
from rdpipe.training.pack import Run
from rdpipe.training.train import train, write_run
from rdpipe.vae import likelihoods, networks
from tests import ROOT
from tests.claims.worlds import tables
from tests.figures.synthetic import CV_16K, experiment, synthetic_table

assert ROOT not in Path(rdpipe.__file__).parents


def study_of(page):
    """The study of a page: all its examples of config, on config.yaml."""
    text = (ROOT / "docs/how-to" / f"{page}.md").read_text("utf-8")
    config = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    for example in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        merge(config, copy.deepcopy(yaml.safe_load(example)))
    return read_study(config)


def trained(study, name, folder):
    """A short training of an architecture of the study, with a small width."""
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1), np.uint8)
    how = {"arch": study.archs[name].result_settings() | {"width": 8}, "iterations": 30}
    how |= {"batch_size": 8, "learning_rate": 1e-2, "precision": "float32", "history_every": 10}
    (run,) = train(images, [Run(1.0, 0)], **how, device="cpu")
    assert run.record["status"] == "finished"
    write_run(folder, run)
    part = Part(images, bernoulli_entropy(images))
    split = Split(part, part, np.arange(40), np.arange(40.0))
    vae = evaluate.load_vae(run.record, folder / "model.safetensors")
    counts = {"outer": 40, "batch": 20, "memorization_images": 8, "likelihood_images": 8}
    measured, _ = evaluate.measure_run(vae, split, seed=0, likelihood_samples=[5], **counts)
    return run, measured["test"]


def test_add_a_prior(tmp_path):
    study = study_of("add-a-prior")
    assert "rdpipe.vae.priors.laplace" in Plan(study).training["cv-16k/mlp-1-laplace"].modules
    run, measured = trained(study, "mlp-1-laplace", tmp_path)
    assert abs(run.parameters["prior.log_scale"].item() - np.log(0.5)) > 0.05  # it was learned
    assert np.isfinite(measured["rate"]) and measured["rate_se"] > 0


def test_add_a_likelihood(tmp_path):
    study = study_of("add-a-likelihood")
    module = "rdpipe.vae.likelihoods.laplace"
    assert module in Plan(study).training["cv-16k/mlp-1-laplace"].modules
    run, measured = trained(study, "mlp-1-laplace", tmp_path)
    assert abs(run.parameters["likelihood.log_scale"].item() + 3) > 0.05
    assert np.isfinite(measured["distortion"])
    x = torch.linspace(-3, 4, 70_001, dtype=torch.float64)
    one = likelihoods.find("laplace")
    log_p = one.log_density(torch.full_like(x, 0.3)[:, None], x[:, None], torch.tensor(-1.0))
    assert torch.trapezoid(log_p.exp(), x).item() == pytest.approx(1, abs=1e-3)


def test_add_an_architecture(tmp_path):
    study = study_of("add-an-architecture")
    modules = Plan(study).training["cv-16k/funnel-3"].modules
    assert "rdpipe.vae.funnel" in modules and "rdpipe.vae.mlp" not in modules
    network = networks.build(study.archs["funnel-3"].result_settings(), (32, 32, 3))
    assert [layer.outputs for layer in network.encoder] == [(512,), (256,), (128,)]
    assert [layer.outputs for layer in network.decoder] == [(128,), (256,), (512,)]
    _, measured = trained(study, "funnel-3", tmp_path)
    assert np.isfinite(measured["distortion"])


def test_add_a_dataset(tmp_path):
    study = study_of("add-a-dataset")
    facts = study.datasets["discs"].facts
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        discs.write_dataset(tmp_path / name, n=200, seed=1)
    images = read_npz(tmp_path / "one/images.npz")["images"]
    np.testing.assert_array_equal(images, read_npz(tmp_path / "two/images.npz")["images"])
    assert images.shape[1:] == facts.shape
    factors = pd.read_parquet(tmp_path / "one/factors.parquet")
    area = (images > 0).sum((1, 2, 3))
    np.testing.assert_allclose(area, np.pi * factors["radius"] ** 2, rtol=0.15)
    assert set(read_json(tmp_path / "one/manifest.json")["factors"]) == {"x", "y", "radius"}
    assert "rdpipe.datasets.discs" in Plan(study).datasets["discs"].modules


def test_add_a_claim():
    study = study_of("add-a-claim")
    (claim,) = study.figures["mine_questions"].claims
    entry = {"name": claim.name, "experiment": "mine", "roles": claim.roles}

    def world(gain):
        def changed(split, arch, beta, part, metrics):
            return {"distortion": metrics["distortion"] - gain * (arch == "mlp-1-wide")}

        return tables(["cv-16k"], ["mlp-1", "mlp-1-wide"], world=changed)

    for gain, verdict in ((5, "supported"), (0, "not supported")):
        assert set(judge({"mine": world(gain)}, [entry])["claim_verdict"]) == {verdict}


def test_add_a_figure(tmp_path):
    study_of("add-a-figure")
    table = synthetic_table((0.1, 1.0), splits=CV_16K)
    table = table.assign(mse_mean=0.1, mse_std=0.01)
    figures.draw("rdpipe.figures.error", tmp_path, *experiment(tmp_path, table, splits=CV_16K))
    assert sorted(path.suffix for path in tmp_path.glob("error.*")) == [".csv", ".pdf", ".png"]
