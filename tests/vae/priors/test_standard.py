"""The standard normal prior: the rate against PyTorch's divergence."""

import torch

from rdpipe.vae.priors import standard


def test_rate_is_the_divergence_from_the_prior() -> None:
    mean, log_variance = torch.randn(2, 4, 6, 3).double()
    log_variance[0] -= 12  # narrow posteriors, as at a small β
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(standard.rate(mean, log_variance), kl.sum(2))
    assert standard.rate(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0
