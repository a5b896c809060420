"""Figure 1: examples of a dataset."""

import numpy as np
import pandas as pd
import pytest

from rdpipe import figures
from rdpipe.common.files import read_parquet, write_npz, write_parquet
from tests.figures.synthetic import toy_dataset


def shown_of(folder, inputs):
    figures.draw("rdpipe.figures.fig1", folder, inputs, {})
    return pd.read_csv(folder / "fig1.csv")


def test_figure_1_shows_every_factor_from_low_to_high(tmp_path):
    inputs = toy_dataset(tmp_path, n=2000)
    shown = shown_of(tmp_path, inputs)
    factors = read_parquet(inputs["factors"])
    np.testing.assert_allclose(shown[[*factors]], factors.iloc[shown["row"]], rtol=1e-8)
    assert (shown[[*factors]].min() < 0.15).all()
    assert (shown[[*factors]].max() > 0.85).all()


@pytest.mark.parametrize("n", [10, 42, 500])
@pytest.mark.parametrize("column", ["row", "file"])
def test_examples_of_images_without_factors_are_evenly_spaced(column, n, tmp_path):
    inputs = toy_dataset(tmp_path, n)
    names = range(n) if column == "row" else [f"{i:03}.png" for i in range(n)]
    write_parquet(inputs["factors"], pd.DataFrame({column: names}))
    shown = shown_of(tmp_path, inputs)
    assert len(shown) == min(42, n)
    assert shown["row"].iloc[[0, -1]].tolist() == [0, n - 1]
    steps = np.diff(shown["row"])
    assert steps.min() >= 1
    assert np.ptp(steps) <= 1
    if column == "file":
        assert shown["file"].tolist() == [f"{row:03}.png" for row in shown["row"]]


def test_files_with_factors_are_chosen_by_the_factors(tmp_path):
    inputs = toy_dataset(tmp_path)
    table = read_parquet(inputs["factors"])
    by_factors = shown_of(tmp_path, inputs)["row"]
    table.insert(0, "file", [f"{i:03}.png" for i in range(len(table))[::-1]])
    write_parquet(inputs["factors"], table)
    shown = shown_of(tmp_path, inputs)
    assert [*shown] == ["row", *table]
    assert shown["row"].equals(by_factors)


def test_the_csv_names_the_images_that_are_shown(tmp_path, monkeypatch):
    inputs = toy_dataset(tmp_path, n=50)
    ramp = np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None, None], (50, 8, 8, 3))
    write_npz(inputs["images"], images=ramp)
    kept = []
    monkeypatch.setattr("rdpipe.figures._style.save", lambda *saved: kept.append(saved))
    figures.draw("rdpipe.figures.fig1", tmp_path, inputs, {})
    [(figure, _, _, shown)] = kept
    drawn = [int(image.get_array().max()) for image in figure.axes[0].images]
    assert drawn == shown["row"].tolist()
