"""log p(x) against quadrature over the latent space, and against decoders that ignore it."""

import math

import numpy as np
import pytest
import torch

from rdpipe.evaluation import likelihood
from rdpipe.evaluation.examples import log_prior_of
from rdpipe.vae import networks
from rdpipe.vae.likelihoods import bernoulli
from rdpipe.vae.models import VAE

from ._runs import constant_model, evaluate, make_split, random_images

SHAPE = (2, 3, 1)
PIXELS = math.prod(SHAPE)


def random_vae(latent=1, scale=3.0, seed=0):
    """A model whose decoder really bends the latent space, in float64."""
    network = networks.build({"kind": "mlp", "layers": 1, "width": 8, "latent": latent}, SHAPE)
    initial = VAE.initial(network, [seed]).to(dtype=torch.float64)
    return VAE(network, {name: scale * p for name, p in initial.parameters.items()})


def vae_that_ignores_z(logit):
    vae = random_vae(scale=0.0)
    vae.parameters["output.bias"].fill_(logit)
    return vae


def random_x(n, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random((n, PIXELS)))


def posterior(n, mean, log_variance, latent=1):
    shape = (n, latent)
    return (torch.full(shape, value, dtype=torch.float64) for value in (mean, log_variance))


def noise(*shape, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def log_weights(vae, x, mean, log_variance, draws):
    return likelihood.log_weights(vae, x, mean, log_variance, draws, log_prior_of(vae))


def log_joint(vae, x, z):
    """log p(x|z) p(z) of one image (P,) at codes z (Z, D), as NumPy."""
    logits = vae.decode(z[None])[0].numpy()
    pixels = 1 / (1 + np.exp(-logits))
    x = x.numpy()
    log_x = (x * np.log(pixels) + (1 - x) * np.log(1 - pixels)).sum(1)
    return log_x - 0.5 * (z.numpy() ** 2 + np.log(2 * np.pi)).sum(1)


def quadrature(vae, x, latent):
    """log p(x) of one image by the trapezoid rule; the integrand is 0 at the borders."""
    step = 0.05
    axis = torch.arange(-9, 9, step, dtype=torch.float64)
    z = torch.stack(torch.meshgrid([axis] * latent, indexing="ij"), -1).flatten(0, -2)
    return math.log(np.exp(log_joint(vae, x, z)).sum() * step**latent)


@pytest.mark.parametrize("latent", [1, 2])
def test_many_samples_agree_with_quadrature(latent):
    vae, x, k = random_vae(latent), random_x(5), 20_000
    log_w = log_weights(vae, x, *posterior(5, 0.3, 0.2, latent), noise(5, k, latent))
    log_p, ess = (values[:, 0].numpy() for values in likelihood.estimate(log_w, [k]))
    truth = [quadrature(vae, image, latent) for image in x]
    # the relative error of a mean of weights is √(1/ESS - 1/K)
    assert np.all(np.abs(log_p - truth) < 4 / np.sqrt(ess))
    assert np.all(np.abs(log_p - truth) < 0.05)


def test_the_bound_rises_from_the_elbo_to_log_p_with_more_samples():
    vae, repeats, samples = random_vae(), 4_000, [1, 4, 32]
    x = random_x(1)
    log_w = log_weights(
        vae, x.expand(repeats, -1), *posterior(repeats, 1.5, -1.0), noise(repeats, 32, 1)
    )
    log_p, _ = likelihood.estimate(log_w, samples)
    bound, error = log_p.mean(0).numpy(), log_p.std(0).numpy() / math.sqrt(repeats)
    z = torch.linspace(-5, 8, 1_301, dtype=torch.float64)
    log_q = -0.5 * ((z.numpy() - 1.5) ** 2 * math.exp(1) + math.log(2 * math.pi) - 1)
    elbo = np.trapezoid(np.exp(log_q) * (log_joint(vae, x[0], z[:, None]) - log_q), z)
    truth = quadrature(vae, x[0], 1)
    assert abs(bound[0] - elbo) < 4 * error[0]
    assert np.all(np.diff(bound) > 4 * error[1:])
    assert bound[-1] < truth + 4 * error[-1]
    assert elbo < truth - 0.5  # so that the bounds above had room to rise


def test_a_proposal_that_is_the_posterior_is_exact_at_any_number_of_samples():
    vae, x, samples = vae_that_ignores_z(-700.0), random_x(4), [1, 10, 100]
    log_w = log_weights(vae, x, *posterior(4, 0.0, 0.0), noise(4, 100, 1))
    log_p, ess = (values.numpy() for values in likelihood.estimate(log_w, samples))
    # the logit of a pixel is -700: log p(x) = -700 Σ x, whose exponential is no float
    np.testing.assert_allclose(log_p, (-700 * x.sum(1, keepdim=True)).expand(4, 3), rtol=1e-12)
    np.testing.assert_allclose(ess, np.tile(samples, (4, 1)), rtol=1e-9)


@pytest.mark.parametrize("log_variance", [-14.0, -4.0, 2.0])
def test_the_effective_sample_size_lies_between_one_and_k(log_variance):
    vae, x, samples = random_vae(), random_x(20), [1, 7, 500]
    log_w = log_weights(vae, x, *posterior(20, 2.0, log_variance), noise(20, 500, 1))
    ess = likelihood.estimate(log_w, samples)[1].numpy()
    assert np.all(ess > 1 - 1e-9)
    assert np.all(ess < np.array(samples) + 1e-9)
    assert np.all(ess[:, 2] < 400)


def test_estimates_are_those_of_the_first_weights_written_out():
    log_w = noise(3, 50).mul_(3)
    log_p, ess = (values.numpy() for values in likelihood.estimate(log_w, [5, 50]))
    for i, k in enumerate((5, 50)):
        w = np.exp(log_w[:, :k].numpy())
        np.testing.assert_allclose(log_p[:, i], np.log(w.mean(1)), rtol=1e-12)
        np.testing.assert_allclose(ess[:, i], w.sum(1) ** 2 / (w**2).sum(1), rtol=1e-12)


LOGITS = (
    0.0,
    1e-3,
    -1e-3,
    0.7,
    -3.0,
    9.0,
    16.5,
    -17.5,
    -40.0,
    88.0,
    -90.0,
    104.0,
    -750.0,
    1e4,
    -1e4,
)


@pytest.mark.parametrize("pixels", [1, 7, 97, 784, 3072])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_likelihood_is_that_of_the_plain_form_at_any_logits(pixels, dtype):
    random = np.random.default_rng(pixels)
    logits = random.choice(LOGITS, (40, pixels)) + random.normal(0, 0.1, (40, pixels))
    logits[: len(LOGITS)] = np.array(LOGITS)[:, None]  # and images of one logit each
    logits = torch.from_numpy(logits).to(dtype)
    x = torch.from_numpy(random.choice([0, 0.25, 1], (40, pixels))).to(dtype)
    plain = logits.double() * x - torch.logaddexp(logits.double(), torch.zeros(1).double())
    computed = bernoulli.log_density(logits, x)
    assert computed.dtype == torch.float64
    relative, each = (1e-6, 1.2e-7) if dtype == torch.float32 else (1e-13, 4e-15)
    np.testing.assert_allclose(computed, plain.sum(1), rtol=relative, atol=each * pixels)


def test_log_likelihood_is_as_exact_as_that_of_a_sum_of_softplus():
    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.normal(-2, 6, (200, 3072))).float()
    x = (logits.sigmoid() + torch.from_numpy(random.normal(0, 0.1, logits.shape))).clamp(0, 1)
    x = x.float()
    plain = logits.double() * x - torch.logaddexp(logits.double(), torch.zeros(1).double())
    plain = plain.sum(1)
    softplus = torch.nn.functional.softplus(logits, threshold=40) - logits * x
    error = (bernoulli.log_density(logits, x) - plain).square().mean().sqrt()
    expected = (-softplus.sum(1, dtype=torch.float64) - plain).square().mean().sqrt()
    assert error < 2 * expected
    assert error < 1e-7 * plain.abs().mean()


def measure(vae, x, samples, seed=0, mean=0.2, log_variance=-0.5):
    random = np.random.default_rng(seed)
    posteriors = posterior(len(x), mean, log_variance)
    return likelihood.measure(vae, x, *posteriors, random, samples)


def test_metrics_are_means_over_images_with_their_standard_error():
    x = random_x(9)
    metrics = measure(vae_that_ignores_z(-2.0), x, [3, 8], mean=0.0, log_variance=0.0)
    each = (x * -math.log1p(math.exp(2)) + (1 - x) * -math.log1p(math.exp(-2))).sum(1).numpy()
    assert list(metrics) == likelihood.columns([3, 8])
    for k in (3, 8):
        assert metrics[f"log_likelihood_{k}"] == pytest.approx(each.mean(), rel=1e-12)
        error = each.std(ddof=1) / 3
        assert metrics[f"log_likelihood_{k}_se"] == pytest.approx(error, rel=1e-12)
        assert metrics[f"log_likelihood_{k}_ess"] == pytest.approx(k, rel=1e-12)
    assert metrics["log_likelihood_elbo"] == pytest.approx(each.mean(), rel=1e-12)


def test_the_elbo_of_the_same_images_is_the_limit_of_single_samples():
    vae, x = random_vae(), random_x(4)
    many = measure(vae, x, [4000])
    single = [measure(vae, x, [1], seed=seed)["log_likelihood_1"] for seed in range(400)]
    error = np.std(single) / 20
    assert abs(many["log_likelihood_elbo"] - np.mean(single)) < 4 * error
    assert many["log_likelihood_elbo"] < many["log_likelihood_4000"]


def test_how_images_and_samples_are_cut_changes_nothing(monkeypatch):
    vae, x = random_vae(), random_x(6)
    whole = measure(vae, x, [2, 9])
    for pairs, outputs in ((1, 1), (4, 40), (20, 90), (1, 1_000)):
        monkeypatch.setitem(likelihood.BLOCK, "cpu", pairs)
        monkeypatch.setitem(likelihood.HIDDEN, "cpu", outputs)
        assert measure(vae, x, [2, 9]) == pytest.approx(whole, rel=1e-12)
    assert measure(vae, x, [2, 9], seed=1) != pytest.approx(whole, rel=1e-3)


def test_float32_networks_lose_little():
    vae, x, samples = random_vae(), random_x(6), [50]
    expected = measure(vae, x, samples)
    single = measure(vae.to(dtype=torch.float32), x.float(), samples)
    assert single == pytest.approx(expected, rel=1e-5)


def test_no_samples_no_metrics_and_one_image_no_error():
    assert measure(random_vae(), random_x(2), []) == {}
    metrics = measure(random_vae(), random_x(1), [4])
    assert math.isnan(metrics["log_likelihood_4_se"])
    assert math.isfinite(metrics["log_likelihood_4"])


def test_log_likelihood_of_a_decoder_that_ignores_z_is_minus_its_distortion(tmp_path):
    model = constant_model(6, mean=0.0, log_variance=0.0)
    split = make_split(random_images(30), random_images(20, seed=1))
    metrics, _ = evaluate(tmp_path / "run", split, model, likelihood_images=30)
    for k in (4, 32):
        expected = pytest.approx(-metrics["distortion"].to_numpy(), rel=1e-6)
        assert metrics[f"log_likelihood_{k}"].to_numpy() == expected
        np.testing.assert_allclose(metrics[f"log_likelihood_{k}_ess"], k, rtol=1e-6)
