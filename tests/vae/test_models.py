"""Models: each run of a pack is one ordinary VAE."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rdpipe.vae import models, networks
from rdpipe.vae.models import VAE

MLP = {"kind": "mlp", "layers": 2, "width": 7, "latent": 3}
CNN = {"kind": "cnn", "layers": 2, "channels": 5, "dense": 0, "latent": 3}
DENSE = CNN | {"dense": 6}
SHAPE = (7, 10, 3)  # halved to 3 × 5, then to 1 × 2
ARCHS = pytest.mark.parametrize("arch", [MLP, CNN, DENSE], ids=["mlp", "cnn", "cnn-dense"])


def random_vae(arch: dict[str, Any], shape: tuple[int, ...]) -> VAE:
    """Two runs in float64, whose parameters ask for gradients."""
    vae = VAE.initial(networks.build(arch, shape), [0, 1]).to(dtype=torch.float64)
    for p in vae.parameters.values():
        p.requires_grad_()
    return vae


# --- initial parameters ---------------------------------------------------------------------------


@ARCHS
def test_initial_parameters_are_a_function_of_the_seed_alone(arch: dict[str, Any]) -> None:
    network = networks.build(arch, SHAPE)
    packed = VAE.initial(network, [5, 0, 5]).parameters
    alone = VAE.initial(network, [5]).parameters
    for name, p in packed.items():
        assert torch.equal(p[0], p[2]) and not torch.equal(p[0], p[1])
        assert torch.equal(p[:1], alone[name])


def test_initial_parameters_of_an_mlp_are_pinned() -> None:
    parameters = VAE.initial(networks.build(MLP, (4, 4, 3)), [0, 1]).parameters
    last = {name: p[1].flatten()[-1].item() for name, p in parameters.items()}
    assert last == {
        "encoder.0.weight": 0.11119262874126434, "encoder.0.bias": 0.14264285564422607,
        "encoder.1.weight": -0.043752796947956085, "encoder.1.bias": -0.19732651114463806,
        "mean.weight": 0.0009092477848753333, "mean.bias": -0.258003294467926,
        "log_variance.weight": 0.048933256417512894, "log_variance.bias": -0.02770056203007698,
        "decoder.0.weight": 0.4727427065372467, "decoder.0.bias": 0.37234556674957275,
        "decoder.1.weight": 0.25116685032844543, "decoder.1.bias": -0.3549920618534088,
        "output.weight": -0.279328852891922, "output.bias": -0.05138971284031868,
    }  # fmt: skip


def test_initial_parameters_are_those_of_pytorch() -> None:
    mlp = {"kind": "mlp", "layers": 1, "width": 300, "latent": 10}
    cnn = {"kind": "cnn", "layers": 2, "channels": 32, "dense": 50, "latent": 10}
    layers = [
        (mlp, "encoder.0", nn.Linear(768, 300)),
        (mlp, "mean", nn.Linear(300, 10)),
        (mlp, "log_variance", nn.Linear(300, 10)),
        (mlp, "decoder.0", nn.Linear(10, 300)),
        (mlp, "output", nn.Linear(300, 768)),
        (cnn, "encoder.0", nn.Conv2d(3, 32, 4)),
        (cnn, "encoder.1", nn.Conv2d(32, 32, 4)),
        (cnn, "encoder.2", nn.Linear(512, 50)),
        (cnn, "mean", nn.Linear(50, 10)),
        (cnn, "log_variance", nn.Linear(50, 10)),
        (cnn, "decoder.0", nn.Linear(10, 50)),
        (cnn, "decoder.1", nn.Linear(50, 512)),
        (cnn, "decoder.2", nn.ConvTranspose2d(32, 32, 4)),
        (cnn, "output", nn.ConvTranspose2d(32, 3, 4)),
    ]
    for arch, name, theirs in layers:
        parameters = VAE.initial(networks.build(arch, (16, 16, 3)), [0]).parameters
        assert len(parameters) == 2 * sum(a is arch for a, _, _ in layers)
        weight, bias = parameters[f"{name}.weight"][0], parameters[f"{name}.bias"][0]
        # a dense layer's weight is (in, out) here, (out, in) there
        assert (weight.mT if weight.ndim == 2 else weight).shape == theirs.weight.shape
        assert bias[0].shape == theirs.bias.shape
        bound = 1 / math.sqrt(nn.init._calculate_fan_in_and_fan_out(theirs.weight)[0])
        for ours in (weight, bias):
            spread = 6 / math.sqrt(ours.numel())  # ten standard errors
            assert ours.abs().max() <= bound
            assert ours.abs().mean().item() == pytest.approx(bound / 2, rel=spread)
            assert abs(ours.mean().item()) < spread * bound


# --- encoder and decoder --------------------------------------------------------------------------


def plain(
    arch: dict[str, Any], shape: tuple[int, ...], run: dict[str, Tensor], x: Tensor, z: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, log-variance and logits of one run by PyTorch's modules, images in PyTorch's order."""

    def dense(name: str, h: Tensor) -> Tensor:
        return h @ run[f"{name}.weight"] + run[f"{name}.bias"]

    def load(module: nn.Module, name: str) -> nn.Module:
        module.load_state_dict(
            {"weight": run[f"{name}.weight"], "bias": run[f"{name}.bias"].flatten()}
        )
        return module.double()

    convolutions = arch["layers"] if arch["kind"] == "cnn" else 0
    hidden = (
        bool(arch["dense"]) if convolutions else arch["layers"]
    )  # dense layers before the heads
    h = x.unflatten(1, shape).permute(0, 3, 1, 2)
    sides = [h.shape[2:]]
    for i in range(convolutions):
        convolution = nn.Conv2d(h.shape[1], arch["channels"], kernel_size=4, stride=2, padding=1)
        h = load(convolution, f"encoder.{i}")(h).relu()
        sides.append(h.shape[2:])
    h = h.permute(0, 2, 3, 1).flatten(1)
    for i in range(hidden):
        h = dense(f"encoder.{convolutions + i}", h).relu()
    mean, log_variance = dense("mean", h), dense("log_variance", h)

    *names, last = [*(f"decoder.{i}" for i in range(hidden + convolutions)), "output"]
    if not convolutions:
        for name in names:
            z = dense(name, z).relu()
        return mean, log_variance, dense(last, z)
    for name in names[: hidden + 1]:
        z = dense(name, z).relu()
    h = z.unflatten(1, (*sides.pop(), arch["channels"])).permute(0, 3, 1, 2)
    for name in [*names[hidden + 1 :], last]:
        channels = shape[2] if name == last else arch["channels"]
        up = nn.ConvTranspose2d(arch["channels"], channels, kernel_size=4, stride=2, padding=1)
        h = load(up, name)(h, output_size=sides.pop())
        h = h if name == last else h.relu()
    return mean, log_variance, h.permute(0, 2, 3, 1).flatten(1)


@pytest.mark.parametrize(
    ("arch", "shape"),
    [
        (MLP, (4, 4, 3)),
        (MLP | {"layers": 3}, (5, 2, 1)),
        *((CNN | {"layers": k}, shape) for k in (1, 2) for shape in [SHAPE, (9, 6, 1), (8, 8, 3)]),
        (CNN | {"layers": 4}, (28, 28, 1)),
        (CNN | {"layers": 3}, (8, 15, 2)),
        (DENSE, SHAPE),
        (DENSE | {"layers": 3}, (28, 28, 1)),
    ],
)
def test_every_run_is_one_ordinary_network(arch: dict[str, Any], shape: tuple[int, ...]) -> None:
    vae = random_vae(arch, shape)
    x, z = torch.rand(2, 4, math.prod(shape)).double(), torch.randn(2, 4, 3).double()
    mean, log_variance = vae.encode(x)
    logits = vae.decode(z)
    for r in range(2):
        run = vae.run(r)
        theirs = plain(arch, shape, run, x[r], z[r])
        for a, b in zip((mean[r], log_variance[r], logits[r]), theirs, strict=True):
            torch.testing.assert_close(a, b)


@ARCHS
def test_gradients_of_a_pack_are_those_of_its_runs(arch: dict[str, Any]) -> None:
    vae = random_vae(arch, SHAPE)
    x = torch.rand(2, 4, math.prod(SHAPE)).double()

    def gradients(vae: VAE, x: Tensor) -> tuple[Tensor, ...]:
        mean, log_variance = vae.encode(x)
        logits = vae.decode(models.sample(mean, log_variance, torch.ones_like(mean)))
        distortion = vae.distortion(logits, x).sum()
        return torch.autograd.grad(distortion, list(vae.parameters.values()))

    packed = gradients(vae, x)
    for r in range(2):
        run = VAE(vae.network, {name: p[r : r + 1] for name, p in vae.parameters.items()})
        for a, b in zip(packed, gradients(run, x[r : r + 1]), strict=True):
            torch.testing.assert_close(a[r : r + 1], b)
            assert b.any()


@ARCHS
def test_a_batch_may_be_shared_by_the_runs(arch: dict[str, Any]) -> None:
    vae = random_vae(arch, SHAPE)
    x = torch.rand(1, 5, math.prod(SHAPE)).double()
    shared = vae.encode(x)
    repeated = vae.encode(x.repeat(2, 1, 1))
    for a, b in zip(shared, repeated, strict=True):
        torch.testing.assert_close(a, b)


# --- moving and reading ---------------------------------------------------------------------------


def test_a_model_moves_as_a_whole_and_stays_what_it_was() -> None:
    vae = VAE.initial(networks.build(MLP, SHAPE), [0, 1])
    assert (vae.dtype, vae.device) == (torch.float32, torch.device("cpu"))
    moved = vae.to(dtype=torch.float64)
    assert moved.dtype == torch.float64 and vae.dtype == torch.float32
    assert moved.network is vae.network
    for name, p in moved.parameters.items():
        assert p.dtype == torch.float64 and torch.equal(p.float(), vae.parameters[name])
    assert vae.to("meta").device == torch.device("meta")


def test_a_run_of_a_model_is_a_copy_of_its_parameters() -> None:
    vae = random_vae(MLP, SHAPE)
    run = vae.run(1)
    before = {name: p.clone() for name, p in run.items()}
    with torch.no_grad():
        for p in vae.parameters.values():
            p.add_(1)
    assert not any(p.requires_grad for p in run.values())
    for name, p in run.items():
        assert torch.equal(p, before[name]) and torch.equal(p + 1, vae.parameters[name][1])


# --- pixels and samples ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_intensities_are_pixels_between_black_0_and_white_1(dtype: torch.dtype) -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(2, 128)
    x = models.intensities(pixels, dtype)
    assert x.dtype == dtype and x.shape == (2, 128)
    assert x.min() == 0 and x.max() == 1
    assert torch.equal((255 * x).round().to(torch.uint8), pixels)
    assert x[0, 51] == torch.tensor(0.2, dtype=dtype)


def test_samples_have_the_mean_and_variance_of_their_posterior() -> None:
    mean, log_variance = torch.tensor([0.7, -3.0]), torch.tensor([-1.0, 2.0])
    z = models.sample(mean, log_variance, torch.randn(100_000, 2))
    variance = log_variance.exp()
    errors = (z.mean(0) - mean) / (variance / 100_000).sqrt()
    assert errors.abs().max() < 5
    assert z.var(0) / variance == pytest.approx([1, 1], abs=5 * math.sqrt(2 / 100_000))
