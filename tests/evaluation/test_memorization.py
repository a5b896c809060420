"""The optimal decoder and memorisation, against slow sums and cases whose answers are plain."""

import math

import numpy as np
import pytest
import torch

from rdpipe.evaluation import memorization

from ._runs import constant_model, copying_model, evaluate, make_split, random_images


def random_posteriors(n, latent=3, seed=0):
    random = np.random.default_rng(seed)
    mean, log_variance = random.standard_normal((2, n, latent))
    return torch.from_numpy(mean), torch.from_numpy(log_variance - 2)


def flat(images):
    return images.reshape(len(images), -1) / 255


@pytest.mark.parametrize("tiles", [(128, 1024), (3, 8)])
def test_optimal_decoder_agrees_with_the_sum_written_out(monkeypatch, tiles):
    monkeypatch.setitem(memorization.TILE, "cpu", tiles)
    images, (mean, log_variance) = random_images(30), random_posteriors(30)
    z = mean[:7] + 0.1
    pixels, perplexity = memorization.optimal_decoder(z, mean, log_variance, images)
    m, v = mean.numpy(), np.exp(log_variance.numpy())
    for i, code in enumerate(z.numpy()):
        density = np.exp(-((code - m) ** 2) / (2 * v)).prod(1) / np.sqrt(2 * np.pi * v).prod(1)
        w = density / density.sum()
        np.testing.assert_allclose(pixels[i], w @ flat(images), rtol=1e-5)
        assert perplexity[i] == pytest.approx(np.exp(-(w * np.log(w)).sum()), rel=1e-10)


def test_encodings_that_tell_nothing_give_the_mean_of_all_images():
    images = random_images(200)
    mean = torch.full((200, 3), 0.4, dtype=torch.float64)
    z = random_posteriors(5)[0]
    pixels, perplexity = memorization.optimal_decoder(z, mean, mean, images)
    np.testing.assert_allclose(pixels, np.tile(flat(images).mean(0), (5, 1)), rtol=1e-5)
    np.testing.assert_allclose(perplexity, 200, rtol=1e-10)


@pytest.mark.parametrize("log_variance", [-1.0, -13.0, -27.0])
def test_encodings_far_apart_give_back_every_training_image(log_variance):
    images = random_images(200)
    mean = 100 * torch.arange(200, dtype=torch.float64)[:, None].expand(-1, 3)
    pixels, perplexity = memorization.optimal_decoder(
        mean, mean, torch.full_like(mean, log_variance), images
    )
    np.testing.assert_allclose(pixels, flat(images), rtol=1e-6)
    np.testing.assert_allclose(perplexity, 1, rtol=1e-10)


def test_a_code_between_two_of_many_encodings_gives_the_mean_of_the_two():
    images = random_images(50)
    mean = torch.arange(50, dtype=torch.float64)[:, None]
    z = torch.tensor([[3.5], [1e6]], dtype=torch.float64)  # and one that lies far from all
    pixels, perplexity = memorization.optimal_decoder(z, mean, torch.full_like(mean, -6), images)
    expected = [flat(images)[3:5].mean(0), flat(images)[49]]
    np.testing.assert_allclose(pixels, expected, rtol=1e-6)
    np.testing.assert_allclose(perplexity, [2, 1], rtol=1e-9)


def test_a_reconstruction_is_memorized_if_a_training_image_is_nearer_than_its_input():
    inputs, train = random_images(40), random_images(60, seed=1)
    assert memorization.memorized(inputs, train[:40], train).all()
    assert not memorization.memorized(inputs, inputs, train).any()
    half = np.concatenate([train[:20], inputs[20:]])
    assert memorization.memorized(inputs, half, train).tolist() == [True] * 20 + [False] * 20


def test_a_reconstruction_as_near_to_its_input_as_to_train_is_not_memorized():
    shape = (3, 1, 1, 1)
    inputs = np.array([10, 10, 255], np.uint8).reshape(shape)
    reconstructions = np.array([20, 21, 0], np.uint8).reshape(shape)
    train = np.array([30, 255, 255], np.uint8).reshape(shape)
    assert memorization.memorized(inputs, reconstructions, train).tolist() == [False, True, True]


def test_the_optimal_decoder_is_compared_at_samples_with_inputs_and_with_the_model(tmp_path):
    # z = 5.1 x - 1 + N(0, 1), and the model returns pixel 1/2
    images = np.tile(np.arange(100, dtype=np.uint8), 15).reshape(1_500, 1, 1, 1)
    model = constant_model(1, latent=1, mean=-1.0, log_variance=0.0, logit=0.0)
    model["encoder.0.weight"][0, 0], model["mean.weight"][0, 0] = 1, 5.1
    split = make_split(images, images)
    metrics, _ = evaluate(tmp_path / "run", split, model, memorization_images=1_500)
    x = np.arange(100) / 255
    mean = 5.1 * x - 1
    z = np.linspace(-8, 9, 2_001)
    density = np.exp(-((z - mean[:, None]) ** 2) / 2) / math.sqrt(2 * math.pi)  # (N, Z)
    optimal = x @ density / density.sum(0)
    mse = np.trapezoid(density * (optimal - x[:, None]) ** 2, z).mean()
    gap = np.trapezoid(density * (optimal - 0.5) ** 2, z).mean()
    for part in ("train", "test"):
        assert metrics["optimal_mse"][part] == pytest.approx(mse, rel=0.1)
        assert metrics["optimal_gap"][part] == pytest.approx(gap, rel=0.02)
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
