"""A linear VAE with Gaussian noise: posterior, evidence and inference gap in closed form.

x = W z + b + √v ε, z ~ N(0, 1). The objective D + β R of a diagonal Gaussian q = N(m, diag s²) is
quadratic in m, and its minimum is known: with Λ = WᵀW / (β v) + 1,

    m = Λ⁻¹ Wᵀ (x − b) / (β v),  s_i² = 1 / Λ_ii.
"""

import math

import numpy as np
import torch

from rdpipe.vae import priors
from rdpipe.vae.likelihoods import Likelihood
from rdpipe.vae.models import VAE
from rdpipe.vae.networks import Dense, Network, relu

D, SIDE, V = 3, 4, 0.05
P = SIDE * SIDE
LOG_2PI = math.log(2 * math.pi)


def _nats(outputs, x):
    return 0.5 * ((outputs - x).square() / V + math.log(V) + LOG_2PI)


LIKELIHOOD = Likelihood(_nats, lambda o, x: -_nats(o, x).sum(-1, dtype=torch.float64), lambda o: o)


def vae(beta, orthogonal=False, dtype=torch.float64, noise=0.0):
    """A model whose encoder is the best one at β; with `noise`, its mean is off by so much."""
    random = np.random.default_rng(1)
    w = random.normal(size=(D, P)) / 2
    if orthogonal:
        w = np.linalg.qr(w.T)[0].T * np.array([[1.0], [0.7], [0.3]])
    b = np.full((1, P), 0.5)
    precision = w @ w.T / (beta * V) + np.eye(D)
    to_mean = (np.linalg.inv(precision) @ w / (beta * V)).T  # (P, D)
    parameters = {
        "mean.weight": to_mean + noise * random.normal(size=to_mean.shape),
        "mean.bias": -b @ to_mean,
        "log_variance.weight": np.zeros((P, D)),
        "log_variance.bias": -np.log(np.diag(precision))[None],
        "output.weight": w,
        "output.bias": b,
    }
    network = Network(
        (SIDE, SIDE, 1), D, relu, encoder=(), mean=Dense("mean", (P,), (D,)),
        log_variance=Dense("log_variance", (P,), (D,)), decoder=(),
        output=Dense("output", (D,), (P,)),
        prior=priors.build({"kind": "standard"}, D, (SIDE, SIDE, 1)), likelihood=LIKELIHOOD,
    )  # fmt: skip
    tensors = {name: torch.tensor(p[None]).to(dtype) for name, p in parameters.items()}
    return VAE(network, tensors)


def objective(model, x, mean, log_variance, beta):
    """D, R and D + β R of N examples, exactly, (N,) each."""
    w, b = (model.parameters[f"output.{part}"][0].double() for part in ("weight", "bias"))
    variance = log_variance.exp()
    residual = (x.double() - b - mean @ w).square().sum(1)
    spread = variance @ w.square().sum(1)
    d = 0.5 * ((residual + spread) / V + P * (math.log(V) + LOG_2PI))
    r = 0.5 * (mean.square() + variance - log_variance - 1).sum(1)
    return d, r, d + beta * r


def best(model, x, beta):
    """Mean and log-variance of the best diagonal posteriors, (N, D) each."""
    w, b = (model.parameters[f"output.{part}"][0].double() for part in ("weight", "bias"))
    precision = w @ w.T / (beta * V) + torch.eye(D, dtype=torch.float64)
    mean = torch.linalg.solve(precision, w @ (x.double() - b).T / (beta * V)).T
    return mean, -precision.diag().log().expand_as(mean)


def evidence(model, x):
    """log p(x), (N,)."""
    w, b = (model.parameters[f"output.{part}"][0].double() for part in ("weight", "bias"))
    covariance = w.T @ w + V * torch.eye(P, dtype=torch.float64)
    return torch.distributions.MultivariateNormal(b[0], covariance).log_prob(x.double())


def images(n, seed=0):
    """Random images, uint8 (N, H, W, C)."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (n, SIDE, SIDE, 1), dtype=np.uint8)
