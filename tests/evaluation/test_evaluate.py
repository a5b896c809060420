"""Measures of a run against models whose answers are known."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from rdpipe.common.entropy import bernoulli_entropy
from rdpipe.common.files import read_npz, read_parquet, write_json, write_npz, write_parquet
from rdpipe.evaluation import evaluate as evaluation

SETTINGS = {
    "examples": 3,
    "outer": 4096,
    "batch": 512,
    "seed": 0,
    "memorization_images": 64,
    "likelihood_images": 16,
    "likelihood_samples": [4, 32],
}


def constant_model(pixels, latent=2, mean=0.5, log_variance=-1.0, logit=0.3):
    """An encoder and a decoder that ignore their input: all weights zero, biases set."""
    sizes = {
        "encoder.0": (pixels, 4),
        "mean": (4, latent),
        "log_variance": (4, latent),
        "decoder.0": (latent, 4),
        "output": (4, pixels),
    }
    biases = {"mean": mean, "log_variance": log_variance, "output": logit}
    model = {}
    for name, (inputs, outputs) in sizes.items():
        model[f"{name}.weight"] = torch.zeros(inputs, outputs)
        model[f"{name}.bias"] = torch.full((1, outputs), biases.get(name, 0.0))
    return model


def copying_model():
    """z = 100 x, nearly without noise, and logit = z - 50, for images of one pixel."""
    model = constant_model(1, latent=1, mean=0.0, log_variance=-12.0, logit=-50.0)
    for name, weight in (("encoder.0", 1), ("mean", 100), ("decoder.0", 1), ("output", 1)):
        model[f"{name}.weight"][0, 0] = weight
    return model


def random_images(n, shape=(2, 3, 1), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def make_split(train, test):
    """A split on which every test image's neighbour is row i % N, at distance i."""
    rows = np.arange(len(test))
    parts = (evaluation.Part(images, bernoulli_entropy(images)) for images in (train, test))
    return evaluation.Split(*parts, rows % len(train), rows.astype(float))


def evaluate(folder, split, model, status="finished", **settings):
    folder.mkdir()
    arch = {"kind": "mlp", "layers": 1, "width": 4, "latent": model["mean.bias"].shape[-1]}
    record = {"status": status, "arch": arch, "image_shape": split.train.images.shape[1:]}
    write_json(folder / "run.json", record)
    save_file(model, folder / "model.safetensors")
    paths = {"run": folder / "run.json", "model": folder / "model.safetensors"}
    evaluation.write_evaluation(folder, split, **paths, **SETTINGS | settings)
    metrics = read_parquet(folder / "metrics.parquet").set_index("part")
    return metrics, read_npz(folder / "reconstructions.npz")


def test_every_metric_of_a_model_that_ignores_its_input(tmp_path):
    train, test = random_images(700), random_images(600, seed=1)
    metrics, pictures = evaluate(tmp_path / "run", make_split(train, test), constant_model(6))
    p = 1 / (1 + math.exp(-0.3))
    mean_image = train.mean(0) / 255
    rate = 0.5**2 + math.exp(-1)  # two dimensions of (m² + v - 1 - log v) / 2
    for part, images in (("train", train), ("test", test)):
        x = images.reshape(len(images), -1) / 255
        distortion = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1).mean()
        inner = np.clip(x, 1e-300, 1)
        outer = np.clip(1 - x, 1e-300, 1)
        entropy = -(x * np.log(inner) + (1 - x) * np.log(outer)).sum(1).mean()
        row = metrics.loc[part]
        assert row["distortion"] == pytest.approx(distortion, rel=1e-6)
        assert row["rate"] == pytest.approx(rate, rel=1e-6)
        assert row["elbo"] == pytest.approx(-distortion - rate, rel=1e-6)
        assert row["excess_distortion"] == pytest.approx(distortion - entropy, rel=1e-5)
        assert row["mse"] == pytest.approx(((x - p) ** 2).mean(), rel=1e-6)
        # all codes are alike, so the optimal decoder returns the mean of all training images
        assert row["weight_perplexity"] == pytest.approx(700, rel=1e-9)
        assert row["optimal_gap"] == pytest.approx(((mean_image - p) ** 2).mean(), rel=1e-4)
    np.testing.assert_array_equal(
        pictures["optimal"], np.tile(np.round(255 * mean_image), (3, 1, 1, 1))
    )
    row = metrics.loc["train"]
    assert row["mutual_information"] == pytest.approx(0, abs=1e-12)
    assert row["mutual_information_batch"] == pytest.approx(0, abs=1e-12)
    assert abs(row["marginal_kl"] - rate) < 4 * row["marginal_kl_se"]


def test_an_encoder_that_tells_all_examples_apart_and_its_reconstructions(tmp_path):
    images = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    metrics, pictures = evaluate(tmp_path / "run", make_split(images, images), copying_model())
    row = metrics.loc["train"]
    assert row["mutual_information"] == pytest.approx(math.log(256), abs=1e-9)
    assert row["mutual_information_batch"] == pytest.approx(math.log(256), abs=1e-9)
    x = pictures["input"].astype(float) / 255
    expected = np.round(255 / (1 + np.exp(50 - 100 * x)))
    np.testing.assert_array_equal(pictures["reconstruction"], expected)
    # the optimal decoder has learned every image by heart
    np.testing.assert_allclose(metrics["weight_perplexity"], 1, rtol=1e-6)
    np.testing.assert_allclose(metrics["optimal_mse"], 0, atol=1e-9)
    np.testing.assert_array_equal(pictures["optimal"], pictures["input"])


def test_the_optimal_decoder_is_compared_at_samples_with_inputs_and_with_the_model(tmp_path):
    # z = 5.1 x - 1 + N(0, 1), and the model returns pixel 1/2
    images = np.tile(np.arange(100, dtype=np.uint8), 40).reshape(4_000, 1, 1, 1)
    model = constant_model(1, latent=1, mean=-1.0, log_variance=0.0, logit=0.0)
    model["encoder.0.weight"][0, 0], model["mean.weight"][0, 0] = 1, 5.1
    split = make_split(images, images)
    metrics, _ = evaluate(tmp_path / "run", split, model, memorization_images=4_000)
    x = np.arange(100) / 255
    mean = 5.1 * x - 1
    z = np.linspace(-8, 9, 2_001)
    density = np.exp(-((z - mean[:, None]) ** 2) / 2) / math.sqrt(2 * math.pi)  # (N, Z)
    optimal = x @ density / density.sum(0)
    mse = np.trapezoid(density * (optimal - x[:, None]) ** 2, z).mean()
    gap = np.trapezoid(density * (optimal - 0.5) ** 2, z).mean()
    for part in ("train", "test"):
        assert metrics["optimal_mse"][part] == pytest.approx(mse, rel=0.06)
        assert metrics["optimal_gap"][part] == pytest.approx(gap, rel=0.01)
    assert metrics["optimal_mse"]["train"] != metrics["optimal_mse"]["test"]


def test_memorization_is_the_share_of_test_images_reconstructed_as_training_images(tmp_path):
    # the model returns 146, which is a training image, or the input if that is black or white
    black_and_white = np.array([0, 255] * 10, np.uint8).reshape(20, 1, 1, 1)
    grey = np.full((20, 1, 1, 1), 146, np.uint8)
    constant = constant_model(1)
    for name, train, test, model, expected in (
        ("as train", grey, black_and_white, constant, 1),
        ("as train, too", grey, grey, constant, 0),  # no nearer to train than to the input
        ("as input", grey, black_and_white, copying_model(), 0),
        ("half", grey, np.concatenate([black_and_white, grey]), constant, 0.5),
    ):
        metrics, _ = evaluate(tmp_path / name, make_split(train, test), model)
        assert metrics["memorization"]["test"] == expected
        assert math.isnan(metrics["memorization"]["train"])


def test_log_likelihood_of_a_decoder_that_ignores_z_is_minus_its_distortion(tmp_path):
    model = constant_model(6, mean=0.0, log_variance=0.0)
    split = make_split(random_images(30), random_images(20, seed=1))
    metrics, _ = evaluate(tmp_path / "run", split, model, likelihood_images=30)
    for k in (4, 32):
        expected = pytest.approx(-metrics["distortion"].to_numpy(), rel=1e-6)
        assert metrics[f"log_likelihood_{k}"].to_numpy() == expected
        np.testing.assert_allclose(metrics[f"log_likelihood_{k}_ess"], k, rtol=1e-6)


def test_distortion_is_that_of_one_sample_of_each_posterior(tmp_path):
    # logit = z with z from N(0, 1), x = 0: D = E softplus(z); at the posterior mean it is log 2
    model = constant_model(1, latent=1, mean=0.0, log_variance=0.0, logit=-50.0)
    model["decoder.0.weight"][0, 0] = model["output.weight"][0, 0] = 1.0
    model["decoder.0.bias"][0, 0] = 50.0
    images = np.zeros((20_000, 1, 1, 1), np.uint8)
    metrics, _ = evaluate(tmp_path / "run", make_split(images, images), model)
    z = np.linspace(-10, 10, 20_001)
    nats, density = np.log1p(np.exp(z)), np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    truth = np.trapezoid(nats * density, z)
    spread = math.sqrt(np.trapezoid((nats - truth) ** 2 * density, z) / 20_000)
    assert np.all(abs(metrics["distortion"] - truth) < 4 * spread)
    # other noise on test than on train, though the images are the same
    assert metrics["distortion"]["train"] != metrics["distortion"]["test"]


def test_blocks_change_nothing_and_the_seed_decides_the_noise(tmp_path, monkeypatch):
    split = make_split(random_images(300), random_images(200))
    model = {name: torch.randn(p.shape) for name, p in constant_model(6).items()}
    first, _ = evaluate(tmp_path / "first", split, model, outer=100)
    monkeypatch.setitem(evaluation.BLOCK, "cpu", 17)
    blocks, _ = evaluate(tmp_path / "blocks", split, model, outer=100)
    other, _ = evaluate(tmp_path / "other", split, model, outer=100, seed=1)
    pd.testing.assert_frame_equal(first, blocks, rtol=1e-5)
    assert first["distortion"]["train"] != other["distortion"]["train"]
    assert first["mutual_information"]["train"] != other["mutual_information"]["train"]


def test_equal_runs_give_equal_bytes(tmp_path):
    split = make_split(random_images(100), random_images(50))
    for name in ("first", "second"):
        evaluate(tmp_path / name, split, constant_model(6))
    for file in ("metrics.parquet", "reconstructions.npz"):
        first, second = ((tmp_path / name / file).read_bytes() for name in ("first", "second"))
        assert first == second


def test_weights_in_float64_are_evaluated_in_float64(tmp_path):
    split = make_split(random_images(10), random_images(10))
    model = {name: p.double() for name, p in constant_model(6, logit=0.1).items()}
    model["output.bias"].fill_(0.1)
    metrics, _ = evaluate(tmp_path / "run", split, model)
    x = split.train.images.reshape(10, -1) / 255
    distortion = (np.log1p(np.exp(0.1)) - 0.1 * x).sum(1).mean()
    assert metrics["distortion"]["train"] == pytest.approx(distortion, rel=1e-14)


def test_the_table_has_two_rows_and_information_on_train_only(tmp_path):
    metrics, _ = evaluate(
        tmp_path / "run", make_split(random_images(20), random_images(10)), constant_model(6)
    )
    assert list(metrics.index) == ["train", "test"]
    likelihoods = [f"log_likelihood_{k}{end}" for k in (4, 32) for end in ("", "_se", "_ess")]
    names = [*evaluation.METRICS, *likelihoods, "log_likelihood_elbo"]
    assert list(metrics.columns) == ["n", "status", *names]
    assert list(metrics["n"]) == [20, 10]
    missing = metrics.columns[metrics.loc["test"].isna()]
    assert list(missing) == list(evaluation.METRICS[5:11])  # mutual information and marginal KL
    assert list(metrics.columns[metrics.loc["train"].isna()]) == ["memorization"]


def test_without_likelihood_samples_there_are_no_likelihood_columns(tmp_path):
    split = make_split(random_images(20), random_images(10))
    metrics, _ = evaluate(tmp_path / "run", split, constant_model(6), likelihood_samples=[])
    assert list(metrics.columns) == ["n", "status", *evaluation.METRICS]


def test_a_diverged_run_has_nan_metrics_and_black_reconstructions(tmp_path):
    split = make_split(random_images(20), random_images(10))
    broken = {name: p * math.nan for name, p in constant_model(6).items()}
    metrics, pictures = evaluate(tmp_path / "run", split, broken, status="diverged")
    assert list(metrics["status"]) == ["diverged", "diverged"]
    assert list(metrics.columns)[-1] == "log_likelihood_elbo"
    assert metrics.drop(columns=["n", "status"]).isna().all(axis=None)
    assert not pictures["reconstruction"].any()
    assert not pictures["optimal"].any()
    np.testing.assert_array_equal(pictures["input"], split.test.images[pictures["test"]])


def test_nan_of_a_finished_run_is_shown(tmp_path):
    split = make_split(random_images(20), random_images(10))
    broken = {name: p * math.nan for name, p in constant_model(6).items()}
    metrics, _ = evaluate(tmp_path / "run", split, broken)
    assert list(metrics["status"]) == ["finished", "finished"]
    assert metrics.drop(columns=["n", "status"]).isna().all(axis=None)


def test_difficult_examples_are_those_nearest_the_90th_percentile(tmp_path):
    distance = np.arange(101.0)[::-1]
    assert list(evaluation.difficult(distance, 1)) == [10]
    assert set(evaluation.difficult(distance, 3)) == {9, 10, 11}
    assert len(evaluation.difficult(distance[:2], 8)) == 2
    split = make_split(random_images(30), random_images(101))
    _, pictures = evaluate(tmp_path / "run", split, constant_model(6))
    assert list(pictures["test"]) == [90, 89, 91]
    np.testing.assert_array_equal(pictures["input"], split.test.images[[90, 89, 91]])
    np.testing.assert_array_equal(pictures["neighbour"], split.train.images[[0, 29, 1]])
    np.testing.assert_array_equal(pictures["distance"], [90, 89, 91])


def test_entropy_of_black_and_white_is_zero_and_of_half_grey_almost_log_2():
    assert bernoulli_entropy(np.array([[0, 255]], np.uint8)) == 0
    grey = bernoulli_entropy(np.full((7, 2, 2, 3), 128, np.uint8))
    assert grey == pytest.approx(12 * math.log(2), rel=1e-4)


def test_a_split_is_read_as_the_earlier_stages_write_it(tmp_path):
    train, test = random_images(5), random_images(4, seed=1)
    write_npz(tmp_path / "train.npz", images=train, index=np.arange(5))
    write_npz(tmp_path / "test.npz", images=test, index=np.arange(4))
    neighbours = pd.DataFrame({"nearest": [4, 0, 1, 2], "distance": [0.5, 0.1, 0.2, 0.3]})
    write_parquet(tmp_path / "distances.parquet", neighbours)
    names = {"train": "train.npz", "test": "test.npz", "distances": "distances.parquet"}
    split = evaluation.load_split(**{name: tmp_path / file for name, file in names.items()})
    np.testing.assert_array_equal(split.train.images, train)
    np.testing.assert_array_equal(split.test.images, test)
    assert split.test.entropy == bernoulli_entropy(test)
    assert list(split.nearest) == [4, 0, 1, 2]
    assert list(split.distance) == [0.5, 0.1, 0.2, 0.3]
