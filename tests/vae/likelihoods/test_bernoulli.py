"""The Bernoulli likelihood against PyTorch's, and far out where logits are large."""

import pytest
import torch
import torch.nn.functional as F

from rdpipe.vae import networks
from rdpipe.vae.likelihoods import bernoulli
from rdpipe.vae.models import VAE


def vae() -> VAE:
    """Models whose likelihood is Bernoulli."""
    arch = {"kind": "mlp", "layers": 1, "width": 4, "latent": 2}
    return VAE.initial(networks.build(arch, (4, 4, 3)), [0, 1, 2])


@pytest.mark.parametrize("shared", [False, True], ids=["own batches", "shared batch"])
def test_distortion_and_its_gradient_are_those_of_bernoulli_cross_entropy(shared: bool) -> None:
    logits = (20 * torch.randn(3, 5, 48).double()).requires_grad_()
    x = torch.rand(1 if shared else 3, 5, 48).double()
    x[:, :, ::7] = x[:, :, ::7].round()
    weight = torch.tensor([1.0, 0.5, 2.0]).double()

    ours = vae().distortion(logits, x)
    (gradient,) = torch.autograd.grad((weight * ours).sum(), logits)
    target = x.expand(3, -1, -1)
    theirs = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(2).mean(1)
    (expected,) = torch.autograd.grad((weight * theirs).sum(), logits)

    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-15)


def test_nats_are_minus_the_log_probability_of_each_pixel() -> None:
    logits, x = torch.randn(2, 4, 6).double(), torch.rand(2, 4, 6).double()
    p = 1 / (1 + torch.exp(-logits))
    expected = -(x * p.log() + (1 - x) * (1 - p).log())
    torch.testing.assert_close(bernoulli.nats(logits, x), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [30.0, 50.0, 700.0, 1e4])
def test_nats_of_a_sure_decoder_are_finite_and_exact(dtype: torch.dtype, size: float) -> None:
    logits = torch.tensor([size, size, -size, -size], dtype=dtype)
    x = torch.tensor([1.0, 0, 0, 1], dtype=dtype)
    right = torch.tensor(-size, dtype=torch.float64).exp().log1p()
    expected = torch.stack([right, size + right, right, size + right])
    rtol = 1e-6 if dtype == torch.float32 else 1e-12
    # a right answer is the small difference of two large numbers where the logit is positive
    atol = size * torch.finfo(dtype).eps
    torch.testing.assert_close(bernoulli.nats(logits, x).double(), expected, rtol=rtol, atol=atol)


def test_nats_change_neither_logits_nor_images() -> None:
    logits, x = torch.randn(3, 4), torch.rand(3, 4)
    before = logits.clone(), x.clone()
    bernoulli.nats(logits, x)
    vae().distortion(logits[None], x[None])
    assert torch.equal(logits, before[0]) and torch.equal(x, before[1])
