"""Examples: a split as it is read, and examples with their posteriors."""

import numpy as np
import pandas as pd
import pytest
import torch

from rdpipe.common.entropy import bernoulli_entropy
from rdpipe.common.files import write_npz, write_parquet
from rdpipe.evaluation.examples import Encoded, inputs, load_split

from ._runs import as_vae, constant_model, random_images


def test_a_split_is_read_as_the_earlier_stages_write_it(tmp_path):
    train, test = random_images(5), random_images(4, seed=1)
    write_npz(tmp_path / "train.npz", images=train, index=np.arange(5))
    write_npz(tmp_path / "test.npz", images=test, index=np.arange(4))
    neighbours = pd.DataFrame({"nearest": [4, 0, 1, 2], "distance": [0.5, 0.1, 0.2, 0.3]})
    write_parquet(tmp_path / "distances.parquet", neighbours)
    names = {"train": "train.npz", "test": "test.npz", "distances": "distances.parquet"}
    split = load_split(**{name: tmp_path / file for name, file in names.items()})
    np.testing.assert_array_equal(split.train.images, train)
    np.testing.assert_array_equal(split.test.images, test)
    assert split.test.entropy == bernoulli_entropy(test)
    assert list(split.nearest) == [4, 0, 1, 2]
    assert list(split.distance) == [0.5, 0.1, 0.2, 0.3]


def encoded(n):
    """Examples whose posteriors have their row as their mean and width."""
    rows = torch.arange(n, dtype=torch.float64)[:, None].repeat(1, 2)
    return Encoded(random_images(n), rows, 2 * rows.add(1).log())


def test_rows_of_examples_keep_images_and_posteriors_together():
    examples = encoded(20)
    rows = np.array([7, 0, 7])
    chosen = examples[rows]
    np.testing.assert_array_equal(chosen.images, examples.images[rows])
    assert chosen.mean[:, 0].tolist() == [7, 0, 7]
    torch.testing.assert_close(chosen.log_variance.exp()[:, 1].sqrt(), chosen.mean[:, 0] + 1)


@pytest.mark.parametrize("count", [5, 20, 50])
def test_examples_are_chosen_at_random_without_repeats(count):
    examples = encoded(20)
    chosen = examples.choose(np.random.default_rng(0), count)
    rows = chosen.mean[:, 0].int().tolist()
    assert len(rows) == len(set(rows)) == min(count, 20)
    assert rows != sorted(rows)
    np.testing.assert_array_equal(chosen.images, examples.images[rows])


def test_samples_of_examples_have_the_mean_and_width_of_their_posteriors():
    examples = encoded(1)[np.zeros(50_000, int)]
    shifted = Encoded(examples.images, examples.mean + 3, examples.log_variance + 2 * np.log(5))
    z = shifted.sample(np.random.default_rng(0))
    assert z.dtype == torch.float64
    assert z.mean().item() == pytest.approx(3, abs=5 * 5 / 50_000**0.5)
    assert z.std().item() == pytest.approx(5, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inputs_are_flat_intensities_of_the_type_of_the_model(dtype):
    images = random_images(5)
    x = inputs(as_vae(constant_model(6), (2, 3, 1)).to(dtype=dtype), images)
    assert x.dtype == dtype
    np.testing.assert_allclose(x, images.reshape(5, 6) / 255, rtol=1e-6)
