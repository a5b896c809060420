"""The Gaussian likelihood against PyTorch's density."""

import torch
from torch.distributions import Normal

from rdpipe.vae import networks
from rdpipe.vae.likelihoods import gaussian
from rdpipe.vae.models import VAE

ARCH = {"kind": "mlp", "layers": 1, "width": 4, "latent": 2, "likelihood": "gaussian"}


def test_values_are_those_of_a_normal_with_one_variance_a_run() -> None:
    vae = VAE.initial(networks.build(ARCH, (2, 3, 1)), [0, 1]).to(dtype=torch.float64)
    vae.parameters["likelihood.log_variance"].copy_(torch.tensor([[[-2.0]], [[1.0]]]))
    outputs, x = torch.randn(2, 5, 6).double(), torch.rand(1, 5, 6).double()
    deviation = torch.tensor([-1.0, 0.5]).exp().double()[:, None, None]
    expected = -Normal(outputs.sigmoid(), deviation).log_prob(x)
    torch.testing.assert_close(vae.nats(outputs, x), expected)
    torch.testing.assert_close(vae.distortion(outputs, x), expected.sum(2).mean(1))
    own = vae.parameters["likelihood.log_variance"][:1]
    summed = gaussian.log_density(outputs[0].clone(), x[0], own)[0]
    torch.testing.assert_close(summed, -expected[0].sum(1))


def test_a_run_has_one_parameter_more_and_learns_it() -> None:
    network = networks.build(ARCH, (2, 3, 1))
    vae = VAE.initial(network, [3, 3]).to(dtype=torch.float64)
    plain = VAE.initial(networks.build({**ARCH, "likelihood": "bernoulli"}, (2, 3, 1)), [3])
    assert {*vae.parameters} - {*plain.parameters} == {"likelihood.log_variance"}
    p = vae.parameters["likelihood.log_variance"].requires_grad_()
    assert p.shape == (2, 1, 1) and p[0] == p[1]
    outputs, x = torch.zeros(2, 5, 6).double(), torch.rand(2, 5, 6).double()
    (gradient,) = torch.autograd.grad(vae.distortion(outputs, x).sum(), p)
    # at the minimum, the variance would be the mean square
    square = (x - 0.5).square().mean((1, 2))
    expected = 3 * (1 - square / p.detach().exp().flatten())
    torch.testing.assert_close(gradient.flatten(), expected)
