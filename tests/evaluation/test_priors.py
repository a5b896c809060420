"""The evaluation of runs with other priors and likelihoods: what must hold for each."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rdpipe.common.files import read_parquet, write_json
from rdpipe.evaluation import evaluate as evaluation
from rdpipe.evaluation import likelihood, rate_distortion
from rdpipe.evaluation.examples import log_prior_of
from rdpipe.vae import networks
from rdpipe.vae.models import VAE

from ._runs import SETTINGS, make_split, random_images

SHAPE = (2, 3, 1)
PRIORS = {
    "standard": {"kind": "standard"},
    "mixture": {"kind": "mixture", "components": 5},
    "vamp": {"kind": "vamp", "components": 5},
    "flow": {"kind": "flow", "layers": 4, "width": 8},
}
EVERY = pytest.mark.parametrize("prior", PRIORS.values(), ids=list(PRIORS))


def random_vae(prior, latent=2, scale=4.0, **arch):
    """A model whose prior, encoder and decoder really depend on what they read, in float64."""
    arch = {"kind": "mlp", "layers": 1, "width": 8, "latent": latent, "prior": prior} | arch
    pixels = torch.from_numpy(random_images(9)).flatten(1)
    vae = VAE.initial(networks.build(arch, SHAPE), [0], pixels).to(dtype=torch.float64)
    random = torch.Generator().manual_seed(0)
    for name, p in vae.parameters.items():
        if name.startswith("prior."):
            p += 0.1 * torch.randn(p.shape, generator=random, dtype=p.dtype)
        elif not name.startswith("likelihood."):
            p *= scale
    return vae, arch


def evaluate(folder, vae, arch, split, **settings):
    """Metrics by part of a model that is written and read again."""
    folder.mkdir()
    record = {"status": "finished", "arch": arch, "beta": 1.0, "seed": 0, "image_shape": SHAPE}
    write_json(folder / "run.json", record)
    save_file(vae.run(0), folder / "model.safetensors")
    paths = {"run": folder / "run.json", "model": folder / "model.safetensors"}
    evaluation.write_evaluation(folder, split, **paths, **SETTINGS | settings)
    return read_parquet(folder / "metrics.parquet").set_index("part")


@EVERY
def test_rate_is_information_plus_marginal_kl(prior, tmp_path):
    vae, arch = random_vae(prior)
    split = make_split(random_images(1_500), random_images(20, seed=1))
    row = evaluate(tmp_path / "run", vae, arch, split).loc["train"]
    # the terms are taken at one sample of each posterior: they vary together with R's own samples
    error = math.hypot(row["mutual_information_se"], row["marginal_kl_se"], row["rate_se"])
    assert abs(row["mutual_information"] + row["marginal_kl"] - row["rate"]) < 4 * error
    assert error < 0.2 < row["mutual_information"]
    assert (row["rate_se"] == 0) == (prior["kind"] == "standard")
    assert row["elbo"] == -row["distortion"] - row["rate"]


@EVERY
def test_standard_errors_of_the_rate_cover_the_truth(prior):
    vae, _ = random_vae(prior)
    mean, log_variance = torch.randn(2, 30, 2, dtype=torch.float64)
    log_variance -= 2
    seeds = (np.random.default_rng(seed) for seed in range(200))
    found = np.array([rate_distortion.rate(vae, mean, log_variance, random) for random in seeds])
    truth = found[:, 0].mean()
    if prior["kind"] == "standard":
        assert np.ptp(found[:, 0]) == 0 and (found[:, 1] == 0).all()
    else:
        covered = np.abs(found[:, 0] - truth) < 1.96 * found[:, 1]
        assert 180 <= covered.sum() <= 199


@EVERY
def test_log_likelihood_agrees_with_quadrature_under_the_runs_own_prior(prior):
    vae, _ = random_vae(prior)
    x, k = torch.from_numpy(np.random.default_rng(0).random((3, 6))), 20_000
    noise = torch.randn(3, k, 2, generator=torch.Generator().manual_seed(1)).double()
    posteriors = torch.zeros(3, 2).double(), torch.full((3, 2), 1.0).double()
    log_w = likelihood.log_weights(vae, x, *posteriors, noise, log_prior_of(vae))
    log_p, ess = (values[:, 0].numpy() for values in likelihood.estimate(log_w, [k]))
    axis = torch.arange(-12, 12, 0.06, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    p = vae.decode(z[None])[0].sigmoid()  # (Z, P)
    log_x = x @ p.log().T + (1 - x) @ (1 - p).log().T  # (3, Z)
    joint = log_x + vae.log_prior()(z[None])
    truth = joint.logsumexp(1).numpy() + 2 * math.log(0.06)
    assert np.all(np.abs(log_p - truth) < 4 / np.sqrt(ess) + 1e-3)
    assert np.all(ess > 100)


def test_blocks_of_a_density_change_nothing(monkeypatch):
    vae, _ = random_vae(PRIORS["mixture"])
    z = torch.randn(7, 11, 2, dtype=torch.float64)
    whole = log_prior_of(vae)(z)
    monkeypatch.setattr("rdpipe.evaluation.examples.HELD", 100)
    assert whole.shape == (7, 11)
    torch.testing.assert_close(log_prior_of(vae)(z), whole)


@pytest.mark.parametrize("name", ["continuous_bernoulli", "gaussian"])
def test_a_density_has_no_excess_distortion_and_log_p_above_its_elbo(name, tmp_path):
    vae, arch = random_vae(PRIORS["standard"], likelihood=name)
    images = random_images(200)
    metrics = evaluate(tmp_path / "run", vae, arch, make_split(images, images[:50]))
    assert metrics["excess_distortion"].isna().all()
    assert (metrics["log_likelihood_32"] > metrics["log_likelihood_elbo"]).all()
    known = (
        metrics.drop(columns="excess_distortion")
        .loc["test"]
        .drop([c for c in metrics if c.startswith(("mutual_information", "marginal_kl"))])
    )
    assert known.notna().all()


def test_the_distortion_and_pictures_of_a_density_are_its_own(tmp_path):
    vae, arch = random_vae(PRIORS["standard"], likelihood="gaussian", scale=0.0)
    vae.parameters["output.bias"].fill_(0.4)
    images = random_images(40)
    row = evaluate(tmp_path / "run", vae, arch, make_split(images, images)).loc["train"]
    x, mean = images.reshape(40, -1) / 255, 1 / (1 + math.exp(-0.4))
    variance = math.exp(-3.0)
    nats = 0.5 * ((x - mean) ** 2 / variance + math.log(2 * math.pi * variance)).sum(1)
    assert row["distortion"] == pytest.approx(nats.mean(), rel=1e-9)
    assert row["mse"] == pytest.approx(((x - mean) ** 2).mean(), rel=1e-9)
