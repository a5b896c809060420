"""Models: each run of a pack is one ordinary VAE, and D and R are what they say."""

import math

import pytest
import torch
import torch.nn.functional as F

from rdpipe import models

ARCH = {"kind": "mlp", "layers": 2, "width": 7, "latent": 3}
SHAPE = (4, 4, 3)


def test_initial_parameters_are_a_function_of_the_seed_alone() -> None:
    packed = models.initial_parameters(ARCH, SHAPE, [5, 0, 5])
    alone = models.initial_parameters(ARCH, SHAPE, [5])
    for name, p in packed.items():
        assert torch.equal(p[0], p[2]) and not torch.equal(p[0], p[1])
        assert torch.equal(p[:1], alone[name])


def test_initial_parameters_are_those_of_pytorch() -> None:
    arch = {"kind": "mlp", "layers": 1, "width": 300, "latent": 10}
    parameters = models.initial_parameters(arch, (32, 32, 3), [0])
    shapes = {name: tuple(p.shape) for name, p in parameters.items()}
    assert shapes == {
        "encoder.0.weight": (1, 3072, 300), "encoder.0.bias": (1, 1, 300),
        "mean.weight": (1, 300, 10), "mean.bias": (1, 1, 10),
        "log_variance.weight": (1, 300, 10), "log_variance.bias": (1, 1, 10),
        "decoder.0.weight": (1, 10, 300), "decoder.0.bias": (1, 1, 300),
        "output.weight": (1, 300, 3072), "output.bias": (1, 1, 3072),
    }  # fmt: skip
    for name, p in parameters.items():
        inputs = parameters[name.replace("bias", "weight")].shape[1]
        bound = 1 / math.sqrt(inputs)
        assert p.abs().max() <= bound
        if p.numel() > 2000:
            theirs = torch.nn.Linear(inputs, p.shape[2]).weight
            assert p.std().item() == pytest.approx(theirs.std().item(), rel=0.05)
            assert abs(p.mean().item()) < 0.05 * bound


def test_every_run_is_one_ordinary_network() -> None:
    parameters = {
        name: p.double() for name, p in models.initial_parameters(ARCH, SHAPE, [0, 1]).items()
    }
    x, z = torch.rand(2, 5, 48).double(), torch.randn(2, 5, 3).double()
    mean, log_variance = models.encode(parameters, x)
    logits = models.decode(parameters, z)
    for r in range(2):

        def dense(name: str, h: torch.Tensor, r: int = r) -> torch.Tensor:
            return h @ parameters[f"{name}.weight"][r] + parameters[f"{name}.bias"][r]

        h = dense("encoder.1", dense("encoder.0", x[r]).relu()).relu()
        torch.testing.assert_close(mean[r], dense("mean", h))
        torch.testing.assert_close(log_variance[r], dense("log_variance", h))
        h = dense("decoder.1", dense("decoder.0", z[r]).relu()).relu()
        torch.testing.assert_close(logits[r], dense("output", h))


def test_a_batch_may_be_shared_by_the_runs() -> None:
    parameters = models.initial_parameters(ARCH, SHAPE, [0, 1])
    x = torch.rand(1, 5, 48)
    shared, repeated = models.encode(parameters, x), models.encode(parameters, x.repeat(2, 1, 1))
    for a, b in zip(shared, repeated, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("shared", [False, True])
def test_distortion_is_bernoulli_cross_entropy(shared: bool) -> None:
    logits = (20 * torch.randn(3, 5, 48).double()).requires_grad_()
    x = torch.rand(1 if shared else 3, 5, 48).double()
    x[:, :, ::7] = x[:, :, ::7].round()
    weight = torch.tensor([1.0, 0.5, 2.0]).double()

    ours = models.distortion(logits, x)
    (gradient,) = torch.autograd.grad((weight * ours).sum(), logits)
    target = x.expand(3, -1, -1)
    theirs = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(2).mean(1)
    (expected,) = torch.autograd.grad((weight * theirs).sum(), logits)

    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-15)


def test_rate_is_the_divergence_from_the_prior() -> None:
    mean, log_variance = torch.randn(2, 4, 6, 3).double()
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(models.rate(mean, log_variance), kl.sum(2))
