"""What a training minimises: D + β·penalty, the penalty being the rate or one of its two terms.

R = I(x;z) + KL(q(z)‖p(z)) (paper, Equation 5). The ablations (Section 4.5 and its appendix) keep
one of the two terms in the objective, estimated on the training batch, and remove the other. All
values are in nats. Letters in shapes: R runs, B batch, P pixels times channels, D dimensions of z.
"""

from dataclasses import dataclass

from torch import Tensor

from rdpipe.vae.densities import log_aggregate_posterior_batch, log_own_posterior
from rdpipe.vae.models import VAE, sample


@dataclass(frozen=True)
class Objective:
    """D + β·penalty of R runs.

    Attributes
    ----------
    penalty
        "rate" (Equation 1), "mutual_information" (no marginal KL) or "marginal_kl" (no MI).
    beta
        (R,), on the device and of the type of the runs' parameters.
    n
        Number of examples that are trained on.
    """

    penalty: str
    beta: Tensor
    n: int

    def total(self, distortion: Tensor, penalty: Tensor) -> Tensor:
        """D + β·penalty, of (R,) each."""
        return distortion + self.beta * penalty


def terms(
    objective: Objective, vae: VAE, x: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """D, R and the penalty of each run, means over the batch: (R,) each.

    x: intensities (R, B, P), noise: standard normal (R, B, D); either may be shared by the runs,
    (1, B, …).
    """
    mean, log_variance = vae.encode(x)  # (R, B, D)
    z = sample(mean, log_variance, noise)
    distortion = vae.distortion(vae.decode(z), x)
    rates = vae.rate(mean, log_variance, z).mean(1)
    if objective.penalty == "rate":
        return distortion, rates, rates
    # At β = 0.001 posteriors are 0.0015 wide. In float32 the means over a batch of 128 are then off
    # by 5e-5 nats, and their gradients by 2e-4 of the largest (tests/training/test_objectives.py).
    log_own = log_own_posterior(noise, log_variance)  # (R, B)
    log_q = log_aggregate_posterior_batch(z, mean, log_variance, log_own, objective.n)  # (R, B)
    if objective.penalty == "mutual_information":
        return distortion, rates, (log_own - log_q).mean(1)
    return distortion, rates, (log_q - vae.log_prior()(z)).mean(1)
