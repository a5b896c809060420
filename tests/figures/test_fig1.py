"""Figure 1: examples of a dataset."""

import numpy as np
import pandas as pd

from rdpipe import figures
from rdpipe.common.files import read_parquet, write_npz
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
