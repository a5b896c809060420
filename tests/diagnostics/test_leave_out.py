"""Leave-out scores: by hand, and of images whose place among the others is known."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rdpipe.common.files import read_parquet, write_json
from rdpipe.diagnostics.leave_out import log_likelihoods, write_measure
from rdpipe.figures.leave_out import scores
from rdpipe.training.pack import Run
from rdpipe.vae import networks
from rdpipe.vae.models import VAE
from tests.evaluation import _runs
from tests.training._runs import MLP, train

COPIES, LONE, N = slice(0, 12), 12, 48


def test_a_score_is_the_mean_with_an_image_minus_the_mean_without():
    log_p = np.array([[1.0, 5, 9], [2, 7, 9], [4, 8, 9], [np.nan, np.nan, np.nan]])
    has = np.array([[1, 0, 1], [1, 1, 1], [0, 0, 1], [1, 0, 0]], bool)
    with_and_without = [1.5 - 4, 7 - 6.5, np.nan]  # the last training diverged
    np.testing.assert_allclose(scores(log_p, has), with_and_without)


def some_images():
    """Twelve copies of one image, a lone one unlike all others, and some of one family."""
    random = np.random.default_rng(0)
    across = np.arange(16) % 4
    family = 200 * (across == random.integers(0, 4, (N, 1))) + random.integers(0, 30, (N, 16))
    family[COPIES] = family[0]
    family[LONE] = 220 * (np.arange(16) // 4 % 2)
    return family.astype(np.uint8).reshape(N, 4, 4, 1)


def test_a_planted_copy_scores_low_and_a_lone_outlier_high():
    images = some_images()
    log_p, has = [], []
    for seed in range(8):
        rows = np.random.default_rng(seed).permutation(N)[: N // 2]
        (run,) = train(images[rows], [Run(0.1, 0)], iterations=300, learning_rate=5e-3)
        network = networks.build(MLP, (4, 4, 1))
        vae = VAE(network, {name: p[None] for name, p in run.parameters.items()})
        with torch.no_grad():
            found = log_likelihoods(vae, images, np.random.default_rng(1), 16)
        log_p.append(found.numpy())
        has.append(np.isin(np.arange(N), rows))
    assert len({*np.array(has)[:, LONE]}) == 2
    score = scores(np.array(log_p), np.array(has))
    family = score[LONE + 1 :]
    assert np.nanmean(np.abs(score[COPIES])) < np.nanmedian(family)
    assert score[LONE] > np.nanmax(family)


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_every_image_of_both_parts_has_a_value(status, tmp_path):
    model = _runs.constant_model(6)
    record = {"status": status, "arch": _runs.architecture(model), "beta": 0.3, "seed": 7}
    write_json(tmp_path / "run.json", record | {"image_shape": (2, 3, 1)})
    save_file(model, tmp_path / "model.safetensors")
    parts = {"train": _runs.random_images(70), "test": _runs.random_images(5, seed=1)}
    paths = {"run": tmp_path / "run.json", "model": tmp_path / "model.safetensors"}
    write_measure(tmp_path, parts, **paths, seed=0, samples=8)
    table = read_parquet(tmp_path / "scores.parquet")
    assert table["part"].tolist() == 70 * ["train"] + 5 * ["test"]
    assert table["log_likelihood"].notna().all() == (status == "finished")
