"""What is minimised: its terms against truth, and in float32 against float64."""

import math

import pytest
import torch

from rdpipe.training import objectives
from rdpipe.training.objectives import Objective
from rdpipe.vae import models, networks
from rdpipe.vae.models import VAE

PENALTIES = ["rate", "mutual_information", "marginal_kl"]
N = 16_384
LATENT = 10


def penalty(
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    mean: torch.Tensor,
    log_variance: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """The penalty (R,) of posteriors (R, B, D)."""
    network = networks.build({"kind": "mlp", "layers": 1, "width": 4, "latent": LATENT}, (2, 2, 1))
    vae = VAE.initial(network, len(mean) * [0]).to(dtype=mean.dtype)
    monkeypatch.setattr(VAE, "encode", lambda *_: (mean, log_variance))
    x = torch.zeros(1, mean.shape[1], 4, dtype=mean.dtype)
    return objectives.terms(Objective(kind, torch.ones(len(mean)), N), vae, x, noise)[2]


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    """Standard normal numbers that float32 represents exactly, in float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def test_an_encoder_that_ignores_its_input_has_a_marginal_kl_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mean, log_variance = torch.full((2, 1, 1000, LATENT), -0.7, dtype=torch.float64)
    noise = normals(1, 1000, LATENT)
    rate, information, marginal = (
        penalty(monkeypatch, kind, mean, log_variance, noise).item() for kind in PENALTIES
    )
    assert information == pytest.approx(0, abs=1e-12)
    assert marginal == pytest.approx(rate, abs=0.3)  # a sample's standard deviation is 2
    assert rate == pytest.approx(5 * (0.7**2 + math.exp(-0.7) - 1 + 0.7))


def test_posteriors_far_apart_have_the_information_log_n_and_nothing_to_gain_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mean = normals(1, 128, LATENT).requires_grad_()
    log_variance = torch.full_like(mean, 2 * math.log(1.5e-3)).detach().requires_grad_()
    noise = normals(1, 128, LATENT, seed=1)
    information = penalty(monkeypatch, "mutual_information", mean, log_variance, noise)
    assert information.item() == pytest.approx(math.log(N), abs=1e-9)
    for gradient in torch.autograd.grad(information, (mean, log_variance)):
        assert gradient.abs().max() < 1e-9


def test_the_two_terms_sum_to_the_sampled_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    mean, log_variance, noise = normals(3, 2, 64, LATENT)
    rate, information, marginal = (
        penalty(monkeypatch, kind, mean, log_variance, noise) for kind in PENALTIES
    )
    # R is exact in the sample: its own noise and square instead of their means
    z = models.sample(mean, log_variance, noise)
    off = 0.5 * (z.square() - noise.square() - mean.square() - log_variance.expm1()).sum(-1)
    torch.testing.assert_close(information + marginal, rate + off.mean(1))


def test_float32_knows_the_information_of_posteriors_too_narrow_for_their_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mean = 9 * normals(1, 128, LATENT).float()
    log_variance = torch.full_like(mean, -50)  # 1e-11 wide: each sample is its mean
    noise = normals(1, 128, LATENT, seed=1).float()
    information = penalty(monkeypatch, "mutual_information", mean, log_variance, noise)
    assert information.item() == pytest.approx(math.log(N), rel=1e-6)


@pytest.mark.parametrize("kind", ["mutual_information", "marginal_kl"])
@pytest.mark.parametrize(("width", "nats", "share"), [(0.03, 1e-5, 1e-5), (1.5e-3, 1e-4, 5e-4)])
def test_float32_is_enough_where_posteriors_are_narrow(
    monkeypatch: pytest.MonkeyPatch, kind: str, width: float, nats: float, share: float
) -> None:
    mean, spread, noise = normals(3, 20, 128, LATENT)
    mean[:, 1::2] = mean[:, ::2] + width * normals(20, 64, LATENT, seed=1)  # pairs that overlap
    log_variance = 2 * math.log(width) + 0.3 * spread

    def value_and_gradient(dtype: torch.dtype) -> list[torch.Tensor]:
        leaves = [a.float().to(dtype).requires_grad_() for a in (mean, log_variance)]
        value = penalty(monkeypatch, kind, *leaves, noise.to(dtype))  # (20,)
        return [value.detach(), *torch.autograd.grad(value.sum(), leaves)]

    exact, single = value_and_gradient(torch.float64), value_and_gradient(torch.float32)
    assert (single[0] - exact[0]).abs().max() < nats
    for a, b in zip(single[1:], exact[1:], strict=True):
        assert (a - b).abs().max() < share * b.abs().max()


def test_the_objective_is_the_distortion_and_beta_times_the_penalty() -> None:
    objective = Objective("rate", torch.tensor([0.001, 5.0]), N)
    total = objective.total(torch.tensor([100.0, 200.0]), torch.tensor([30.0, 4.0]))
    assert total.tolist() == pytest.approx([100.03, 220.0])


def test_runs_may_share_a_batch_and_its_noise() -> None:
    arch = {"kind": "mlp", "layers": 1, "width": 4, "latent": LATENT}
    vae = VAE.initial(networks.build(arch, (2, 2, 1)), [0, 1]).to(dtype=torch.float64)
    x, noise = torch.rand(1, 20, 4).double(), normals(1, 20, LATENT)
    for kind in PENALTIES:
        objective = Objective(kind, torch.ones(2), N)
        shared = objectives.terms(objective, vae, x, noise)
        repeated = objectives.terms(objective, vae, x.repeat(2, 1, 1), noise.repeat(2, 1, 1))
        for a, b in zip(shared, repeated, strict=True):
            assert a.shape == (2,)
            torch.testing.assert_close(a, b)
