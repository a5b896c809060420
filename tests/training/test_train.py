"""Training: what a user may rely on, whatever is packed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from rdpipe.common.errors import OutOfMemoryError, RdpipeError
from rdpipe.common.progress import Progress
from rdpipe.training import train as training
from rdpipe.training.engine import Engine
from rdpipe.training.pack import Run
from rdpipe.vae import networks, streams
from rdpipe.vae.models import VAE

from ._runs import (
    ABLATIONS,
    BLOWS_UP,
    CNN,
    CUDA,
    LIKELIHOODS,
    MIXED,
    MLP,
    OWN,
    SETTINGS,
    STOPPED,
    assert_equal,
    train,
)

# --- arithmetic -----------------------------------------------------------------------------------


class PlainVAE(nn.Module):
    """A β-VAE as one would write it for one run."""

    def __init__(self, arch: dict[str, Any], pixels: int) -> None:
        super().__init__()
        layers, width = arch["layers"], arch["width"]
        sizes = [pixels] + layers * [width]
        self.encoder = nn.ModuleList(nn.Linear(sizes[i], width) for i in range(layers))
        self.mean = nn.Linear(width, arch["latent"])
        self.log_variance = nn.Linear(width, arch["latent"])
        sizes = [arch["latent"]] + layers * [width]
        self.decoder = nn.ModuleList(nn.Linear(sizes[i], width) for i in range(layers))
        self.output = nn.Linear(width, pixels)

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, ...]:
        h = x
        for layer in self.encoder:
            h = F.relu(layer(h))
        mean, log_variance = self.mean(h), self.log_variance(h)
        h = mean + torch.exp(log_variance / 2) * noise
        for layer in self.decoder:
            h = F.relu(layer(h))
        return self.output(h), mean, log_variance


def plain_training(images: np.ndarray, run: Run) -> tuple[PlainVAE, np.ndarray]:
    """The model and the (iterations, 2) values of D and R of an ordinary loop in float64."""
    arch, batch_size = SETTINGS["arch"], SETTINGS["batch_size"]
    model = PlainVAE(arch, images[0].size).double()
    initial = VAE.initial(networks.build(arch, images.shape[1:]), [run.seed]).parameters
    model.load_state_dict(
        {name: p[0].T if "weight" in name else p[0, 0] for name, p in initial.items()}
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=SETTINGS["learning_rate"])
    rows = streams.rows(run.seed, 0, len(images), batch_size)
    noise = streams.noise(run.seed, 0, batch_size, arch["latent"])
    values = []
    for step in range(SETTINGS["iterations"]):
        x = torch.from_numpy(images[rows[step]] / 255).flatten(1)
        logits, mean, log_variance = model(x, torch.from_numpy(noise[step]).double())
        d = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / batch_size
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)
        r = kl.sum() / batch_size
        optimizer.zero_grad()
        (d + run.beta * r).backward()
        optimizer.step()
        values.append((d.item(), r.item()))
    return model, np.array(values)


def test_what_a_prior_or_a_likelihood_cannot_take_is_refused(images: np.ndarray) -> None:
    many = MLP | {"prior": {"kind": "vamp", "components": 51}}
    with pytest.raises(RdpipeError, match=r"51 components .* there are 50; give"):
        train(images, [Run(1.0, 0)], arch=many)
    with pytest.raises(RdpipeError, match="of which a continuous_bernoulli density has no maxi"):
        train(images // 128 * 255, [Run(1.0, 0)], arch=LIKELIHOODS["continuous_bernoulli"])


def test_training_is_an_ordinary_training(images: np.ndarray) -> None:
    run = Run(0.3, 7)
    model, values = plain_training(images, run)
    (ours,) = train(images, [run])
    for name, p in model.state_dict().items():
        theirs = p.T if "weight" in name else p[None]
        torch.testing.assert_close(ours.parameters[name], theirs, rtol=1e-9, atol=1e-12)
    means = values.reshape(5, 20, 2).mean(1)
    np.testing.assert_array_equal(ours.history["iteration"], [20, 40, 60, 80, 100])
    np.testing.assert_allclose(ours.history["distortion"], means[:, 0], rtol=1e-10)
    np.testing.assert_allclose(ours.history["rate"], means[:, 1], rtol=1e-10)
    objective = means[:, 0] + run.beta * means[:, 1]
    np.testing.assert_allclose(ours.history["objective"], objective, rtol=1e-10)
    np.testing.assert_array_equal(ours.history["penalty"], ours.history["rate"])


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(
    ("arch", "runs"),
    [
        (MLP, [Run(0.001, 0), Run(1.0, 0), Run(5.0, 0)]),
        (MLP, [Run(1.0, 0), Run(1.0, 1)]),
        (MLP, MIXED),
        (CNN, MIXED),
        (STOPPED, MIXED),
        *((arch, MIXED) for arch in ABLATIONS),
        *((arch, MIXED) for arch in OWN.values()),
    ],
    ids=[
        "betas",
        "seeds",
        "both",
        "cnn",
        "early stopping",
        "no marginal KL",
        "no MI",
        *OWN,
    ],
)
def test_packed_runs_equal_single_ones(
    images: np.ndarray, arch: dict[str, Any], runs: list[Run], device: str
) -> None:
    for run, packed in zip(runs, train(images, runs, arch=arch, device=device), strict=True):
        (single,) = train(images, [run], arch=arch)
        assert packed.record == single.record
        for name, p in single.parameters.items():
            torch.testing.assert_close(packed.parameters[name], p, rtol=1e-9, atol=1e-12)
        for name, column in single.history.items():
            np.testing.assert_allclose(packed.history[name], column, rtol=1e-10)


@pytest.mark.parametrize("arch", [MLP, CNN, STOPPED, *ABLATIONS, *OWN.values()])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_a_cpu_packing_changes_no_bit(
    images: np.ndarray, arch: dict[str, Any], precision: str
) -> None:
    settings = {"arch": arch, "precision": precision, "iterations": 40}
    for run, packed in zip(MIXED, train(images, MIXED, **settings), strict=True):
        assert_equal(packed, train(images, [run], **settings)[0])


def test_another_number_of_threads_changes_less_than_another_seed(images: np.ndarray) -> None:
    """float32 sums in another order, so the last digits differ, and the trajectories with them."""
    runs, before = [Run(1.0, seed) for seed in range(3)], torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        trained = train(images, runs, arch=MLP | {"width": 256}, precision="float32", iterations=20)
        found.append(np.array([run.history["distortion"][-1] for run in trained]))
    torch.set_num_threads(before)
    one, two = found
    assert np.abs(one - two).max() < 0.1 * one.std(ddof=1)


def test_training_learns(images: np.ndarray) -> None:
    (trained,) = train(images[:16], [Run(0.01, 0)], iterations=400, learning_rate=1e-2)
    assert trained.history["distortion"][-1] < 0.9 * trained.history["distortion"][0]


def test_last_interval_of_the_history_may_be_shorter(images: np.ndarray) -> None:
    (trained,) = train(images, [Run(1.0, 0)], iterations=50)
    np.testing.assert_array_equal(trained.history["iteration"], [20, 40, 50])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_products_are_rounded_while_a_training_asks_for_it(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """Not every CPU can round. Every one can say whether it was told to."""

    def told() -> tuple[str, str]:
        return (
            torch.backends.mkldnn.matmul.fp32_precision,
            torch.backends.mkldnn.conv.fp32_precision,
        )

    before, during = told(), []
    monkeypatch.setattr(Progress, "update", lambda *_: during.append(told()))
    (trained,) = train(images, [Run(1.0, 0)], precision=precision, iterations=20)
    assert during == [2 * ({"float32": "ieee", "bfloat16": "bf16"}[precision],)]
    assert told() == before
    assert all(p.dtype == torch.float32 for p in trained.parameters.values())


@pytest.mark.parametrize("arch", [MLP | {"width": 64}, CNN], ids=["mlp", "cnn"])
def test_rounded_products_change_a_training_little(
    images: np.ndarray, arch: dict[str, Any]
) -> None:
    (exact,), (rounded,) = (
        train(images, [Run(1.0, 0)], arch=arch, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    np.testing.assert_allclose(rounded.history["objective"], exact.history["objective"], rtol=2e-3)


def test_training_needs_only_torch_numpy_and_safetensors() -> None:
    others = ("pandas", "pyarrow", "matplotlib", "PIL", "pydantic", "snakemake", "yaml")
    code = f"import sys; sys.modules |= dict.fromkeys({others}); import rdpipe.training.train"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("arch", ABLATIONS, ids=["no marginal KL", "no MI"])
def test_an_ablation_lowers_the_term_that_is_left(images: np.ndarray, arch: dict[str, Any]) -> None:
    weak, strong = train(images, [Run(0.01, 0), Run(5.0, 0)], arch=arch, iterations=300)
    for trained in (weak, strong):
        history, beta = trained.history, trained.record["beta"]
        np.testing.assert_allclose(
            history["objective"], history["distortion"] + beta * history["penalty"]
        )
    assert strong.history["penalty"][-1] < 0.5 * weak.history["penalty"][-1]


@pytest.mark.parametrize("share", [None, 0.3])
def test_fewer_examples_than_a_batch_is_an_error(images: np.ndarray, share: float | None) -> None:
    arch = MLP | {"early_stopping": share}
    left = 20 if share is None else 14
    train(images[:20], [Run(1.0, 0)], arch=arch, batch_size=left, iterations=1)
    with pytest.raises(
        RdpipeError, match=rf"^{left} of 20 training examples .* batch of {left + 1}"
    ):
        train(images[:20], [Run(1.0, 0)], arch=arch, batch_size=left + 1)


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.OutOfMemoryError("tried to allocate 2 GiB"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
    ],
)
def test_out_of_memory_is_told(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch, error: RuntimeError, told: bool
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Engine, "advance", fail)
    with pytest.raises(OutOfMemoryError if told else RuntimeError) as raised:
        train(images, [Run(1.0, 0), Run(1.0, 1)])
    assert raised.value is error or f"memory than the GPU has free ({error})" in str(raised.value)


# --- files ----------------------------------------------------------------------------------------


def test_write_run(images: np.ndarray, tmp_path: Path) -> None:
    (trained,) = train(images, [Run(0.5, 3)], precision="float32")
    training.write_run(tmp_path, trained)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["history.parquet", "model.safetensors", "run.json"]
    assert json.loads((tmp_path / "run.json").read_text()) == {
        "arch": SETTINGS["arch"], "image_shape": [4, 4, 3], "beta": 0.5, "seed": 3, "n_train": 50,
        "iterations": 100, "batch_size": 16, "learning_rate": 0.001, "precision": "float32",
        "status": "finished", "diverged_at": None, "kept_at": 100,
    }  # fmt: skip
    parameters = load_file(tmp_path / "model.safetensors")
    assert parameters["encoder.0.weight"].shape == (48, 16)
    assert parameters["encoder.0.bias"].shape == (1, 16)
    assert all(p.dtype == torch.float32 for p in parameters.values())
    history = pd.read_parquet(tmp_path / "history.parquet")
    assert list(history) == ["iteration", "distortion", "rate", "penalty", "objective"]
    assert [str(t) for t in history.dtypes] == ["int64"] + 4 * ["float64"]


def test_write_run_of_a_diverged_run(images: np.ndarray, tmp_path: Path) -> None:
    (trained,) = train(images, [BLOWS_UP], learning_rate=0.5)
    training.write_run(tmp_path, trained)
    assert len(pd.read_parquet(tmp_path / "history.parquet")) == 0
