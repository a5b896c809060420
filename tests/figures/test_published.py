"""Points that others have published, beside ours."""

import numpy as np
import pandas as pd
import pytest

from rdpipe import figures
from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _published, _style
from rdpipe.study.settings.figures import RD_FIGURES
from tests.figures.synthetic import experiment, synthetic_table
from tests.figures.test_draw import FIGURES

POINT = {
    "split": "cv-16k", "arch": "1-layer-mlp", "part": "test", "beta": 0.1, "rate": 20.0,
    "distortion": 80.0, "rate_error": 3.0, "distortion_error": 4.0, "source": "read by eye",
}  # fmt: skip


def write(path, *points):
    """Write a file of points."""
    pd.DataFrame(points).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_rd_curves_show_published_points_and_no_others_do(name, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(_style, "save", lambda figure, *_: kept.append((figure, _[-1])))
    settings = FIGURES[name]
    catalogues = {key: settings[key] for key in ("splits", "archs") if key in settings}
    table = synthetic_table((0.1, 1.0), **catalogues)
    paths, facts = experiment(tmp_path, table, **settings)
    paths["published"] = write(tmp_path / "paper.csv", POINT)
    figures.draw(f"rdpipe.figures.{name}", tmp_path, paths, facts)
    ((figure, shown),) = kept
    if name not in RD_FIGURES:
        assert "published_rate" not in shown
        return
    known = shown.dropna(subset="published_rate")
    assert len(known) == 1
    row = known.iloc[0]
    assert (row["published_rate"], row["published_distortion"]) == (20, 80)
    marks = [line.get_xydata() for axes in figure.axes for line in axes.lines
             if line.get_marker() == "D"]  # fmt: skip
    places = np.concatenate(marks)
    assert places[np.isfinite(places).all(axis=1)].tolist() == [[20, 80]]


def test_the_difference_counts_in_reading_error_and_deviation_over_seeds(tmp_path):
    published = _published.read(write(tmp_path / "paper.csv", POINT))
    ours = {name: [POINT[name]] for name in ("split", "arch", "part", "beta")}
    ours |= {"rate_mean": [25.0], "rate_std": [4.0], "distortion_mean": [72.0]}
    both = _published.beside(pd.DataFrame(ours | {"distortion_std": [np.nan]}), published)
    assert both["rate_deviations"].item() == 1.0  # 5 of √(3² + 4²)
    assert both["distortion_deviations"].item() == -2.0  # one seed: −8 of the reading error 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rate": "twenty"}, "line 3: rate is 'twenty'; give a number"),
        ({"rate_error": 0.0}, "line 3: rate_error is .*; give a number above zero"),
        ({}, "line 3: the point is there twice"),
    ],
)
def test_a_faulty_line_is_named(change, told, tmp_path):
    with pytest.raises(RdpipeError, match=told):
        _published.read(write(tmp_path / "paper.csv", POINT, POINT | change))


def test_a_missing_column_is_named(tmp_path):
    lacking = {name: value for name, value in POINT.items() if name != "distortion"}
    with pytest.raises(RdpipeError, match="lacks the column distortion"):
        _published.read(write(tmp_path / "paper.csv", lacking))
