"""The evaluation of a run, against models whose answers are known."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from rdpipe.evaluation import evaluate as evaluation
from rdpipe.evaluation.examples import BLOCK

from ._runs import (
    BETA,
    SEED,
    constant_model,
    copying_model,
    evaluate,
    make_split,
    random_images,
)

RUN = ["beta", "seed", "n", "status"]


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


def test_blocks_change_nothing_and_the_seed_decides_the_noise(tmp_path, monkeypatch):
    split = make_split(random_images(300), random_images(200))
    model = {name: torch.randn(p.shape) for name, p in constant_model(6).items()}
    first, _ = evaluate(tmp_path / "first", split, model, outer=100)
    monkeypatch.setitem(BLOCK, "cpu", 17)
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


def test_the_table_has_the_run_two_rows_and_information_on_train_only(tmp_path):
    metrics, _ = evaluate(
        tmp_path / "run", make_split(random_images(20), random_images(10)), constant_model(6)
    )
    assert list(metrics.index) == ["train", "test"]
    likelihoods = [f"log_likelihood_{k}{end}" for k in (4, 32) for end in ("", "_se", "_ess")]
    names = [*evaluation.METRICS, *likelihoods, "log_likelihood_elbo"]
    assert list(metrics.columns) == ["beta", "seed", "n", "status", *names]
    assert list(metrics["beta"]) == [BETA, BETA] and list(metrics["seed"]) == [SEED, SEED]
    assert list(metrics["n"]) == [20, 10]
    information = ["mutual_information", "marginal_kl"]
    assert list(metrics.columns[metrics.loc["test"].isna()]) == [
        *(f"{name}{end}" for name in information for end in ("", "_se")),
        *(f"{name}_batch" for name in information),
    ]
    assert list(metrics.columns[metrics.loc["train"].isna()]) == ["memorization"]


def measured(**changes):
    """Metrics as `measure_run` gives them, a number for each that is listed."""
    listed = {
        part: {name: 1.0 for name, parts in evaluation.METRICS.items() if part in parts}
        for part in evaluation.PARTS
    }
    return {part: listed[part] | changes.get(part, {}) for part in listed}


def table(metrics):
    record = {"beta": 0.1, "seed": 3, "status": "finished"}
    split = make_split(random_images(5), random_images(4))
    return evaluation.metrics_table(record, split, evaluation.METRICS, metrics)


def test_a_metric_that_is_measured_and_not_listed_is_an_error():
    table(measured())
    with pytest.raises(RuntimeError, match=r"on test, but not both: \['new'\]"):
        table(measured(test={"new": 1.0}))
    with pytest.raises(RuntimeError, match=r"on train, but not both: \['memorization'\]"):
        table(measured(train={"memorization": 1.0}))  # which is listed for test alone


@pytest.mark.parametrize(("part", "name"), [("train", "rate"), ("test", "memorization")])
def test_a_metric_that_is_listed_and_not_measured_is_an_error(part, name):
    metrics = measured()
    del metrics[part][name]
    with pytest.raises(RuntimeError, match=rf"on {part}, but not both: \['{name}'\]"):
        table(metrics)


def test_a_new_measure_that_nobody_listed_stops_the_evaluation(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation.memorization, "measure", lambda *_: {"novelty": 0.5})
    split = make_split(random_images(20), random_images(10))
    with pytest.raises(RuntimeError, match=r"\['memorization', 'novelty'\]"):
        evaluate(tmp_path / "run", split, constant_model(6))
    assert not (tmp_path / "run/metrics.parquet").exists()


def test_without_likelihood_samples_there_are_no_likelihood_columns(tmp_path):
    split = make_split(random_images(20), random_images(10))
    metrics, _ = evaluate(tmp_path / "run", split, constant_model(6), likelihood_samples=[])
    assert list(metrics.columns) == [*RUN, *evaluation.METRICS]


def test_a_diverged_run_has_nan_metrics_and_black_reconstructions(tmp_path):
    split = make_split(random_images(20), random_images(10))
    broken = {name: p * math.nan for name, p in constant_model(6).items()}
    metrics, pictures = evaluate(tmp_path / "run", split, broken, status="diverged")
    assert list(metrics["status"]) == ["diverged", "diverged"]
    assert list(metrics.columns)[-1] == "log_likelihood_elbo"
    assert metrics.drop(columns=RUN).isna().all(axis=None)
    assert not pictures["reconstruction"].any()
    assert not pictures["optimal"].any()
    np.testing.assert_array_equal(pictures["input"], split.test.images[pictures["test"]])


def test_nan_of_a_finished_run_is_shown(tmp_path):
    split = make_split(random_images(20), random_images(10))
    broken = {name: p * math.nan for name, p in constant_model(6).items()}
    metrics, _ = evaluate(tmp_path / "run", split, broken)
    assert list(metrics["status"]) == ["finished", "finished"]
    assert metrics.drop(columns=RUN).isna().all(axis=None)
