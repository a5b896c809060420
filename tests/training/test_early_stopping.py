"""Early stopping: examples that are held out, and the state that does best on them."""

from typing import Any

import numpy as np
import pytest
import torch

from rdpipe.training import early_stopping, objectives
from rdpipe.training.objectives import Objective
from rdpipe.training.pack import Run, Trained
from rdpipe.vae import networks
from rdpipe.vae.models import VAE

from ._runs import MLP, STOPPED, train


@pytest.mark.parametrize(
    ("share", "sizes"),
    [(0.1, [100]), (0.35, [117, 117, 116]), (0.256, [128, 128]), (1e-4, [1])],
)
def test_held_out_examples_are_whole_batches_of_the_others(share: float, sizes: list[int]) -> None:
    pixels = torch.arange(3000).view(1000, 3)  # more than uint8 holds, to tell the rows apart
    kept_in, held_out = early_stopping.hold_out(pixels, share, batch_size=128, latent=4)
    assert [len(batch) for batch in held_out.pixels] == sizes
    assert [batch.shape for batch in held_out.noise] == [(size, 4) for size in sizes]
    rows = torch.cat([kept_in, *held_out.pixels])
    assert torch.equal(rows[rows[:, 0].argsort()], pixels)


def test_validation_is_the_objective_on_all_held_out_examples(images: np.ndarray) -> None:
    pixels = torch.from_numpy(images).flatten(1)
    _, held_out = early_stopping.hold_out(pixels, 0.7, batch_size=16, latent=3)  # 12, 12 and 11
    network = networks.build(MLP, images.shape[1:])
    vae = VAE.initial(network, [0, 1]).to(dtype=torch.float64)
    for parameter in vae.parameters.values():
        parameter.requires_grad_()
    beta = torch.tensor([0.5, 2.0], dtype=torch.float64)
    objective = Objective("rate", beta, 15)
    x, noise = (torch.cat(part).double()[None] for part in (held_out.pixels, held_out.noise))
    d, r, _ = objectives.terms(objective, vae, x / 255, noise)  # of all in one batch
    values = early_stopping.validate(objective, vae, held_out)
    torch.testing.assert_close(values, (d + beta * r).detach())
    assert not values.requires_grad


def overfit(images: np.ndarray, runs: list[Run], **changes: Any) -> list[Trained]:
    """Train with early stopping for so long that it matters."""
    settings = {"arch": STOPPED, "learning_rate": 1e-2, "iterations": 300}
    return train(images, runs, **settings | changes)


def test_the_state_with_the_lowest_validation_objective_is_kept(images: np.ndarray) -> None:
    runs = [Run(0.001, 0), Run(5.0, 0)]
    kept_at = []
    for i, trained in enumerate(overfit(images, runs)):
        history = trained.history
        assert trained.record["status"] == "finished" and trained.record["n_train"] == 50
        kept_at.append(trained.record["kept_at"])
        assert kept_at[i] == history["iteration"][history["validation"].argmin()]
        # a training that ends there ends with this state
        ended = overfit(images, runs, iterations=kept_at[i])[i]
        assert ended.record["kept_at"] == kept_at[i]
        for name, p in ended.parameters.items():
            np.testing.assert_array_equal(p.numpy(), trained.parameters[name].numpy())
    assert kept_at[0] != kept_at[1] and max(kept_at) < 300


def test_held_out_examples_are_not_trained_on(images: np.ndarray) -> None:
    before, after = images.copy(), images.copy()
    rows = torch.arange(50)[:, None]
    _, held_out = early_stopping.hold_out(rows, 0.3, batch_size=16, latent=3)
    after[held_out.pixels[0].ravel()] //= 2
    (a,), (b,) = (overfit(part, [Run(0.1, 0)], iterations=60) for part in (before, after))
    for name in ("distortion", "rate", "penalty", "objective"):
        np.testing.assert_array_equal(a.history[name], b.history[name])
    assert np.all(a.history["validation"] != b.history["validation"])


def test_without_early_stopping_nothing_is_validated(images: np.ndarray) -> None:
    (trained,) = train(images, [Run(1.0, 0)])
    assert "validation" not in trained.history
