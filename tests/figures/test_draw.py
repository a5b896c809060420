"""What a reader may rely on in every figure: the tables' numbers, and equal bytes."""

import json
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest

from rdpipe import figures
from tests.figures.synthetic import (
    ABLATED,
    ALL_SPLITS,
    ARCHS,
    CV_16K,
    FOUR_ARCHS,
    SPLITS,
    STOPPED,
    arch,
    experiment,
    synthetic_neighbours,
    synthetic_table,
    toy_dataset,
)

RULES = [
    {"name": "default", "kind": "cv", "seed": 0, "fraction": 0.5},
    {"name": "checkerboard", "kind": "checkerboard"},
]
FIGURES = {
    "fig3": {},
    "fig4": {},
    "fig5": {"splits": SPLITS | {"checkerboard": ALL_SPLITS["checkerboard"]}},
    "fig6": {"splits": CV_16K, "archs": FOUR_ARCHS},
    "fig7": {"datasets": {"cv-16k": "fashion_mnist"}},
    "fig8": {"splits": CV_16K},
    "nearest_neighbours": {"splits": ALL_SPLITS},
    "early_stopping": {"splits": CV_16K, "archs": STOPPED},
    "ablations": {"splits": CV_16K, "archs": ABLATED},
    "log_likelihood": {"splits": CV_16K},
    "memorization": {},
    "optimal_decoder": {"splits": CV_16K},
    "rate_terms": {"splits": CV_16K},
}
SURROUNDINGS = """
backend: module://nowhere
font.family: monospace
font.size: 20
text.usetex: True
lines.linewidth: 5
lines.marker: s
axes.grid: True
axes.xmargin: 0.5
axes.formatter.use_mathtext: True
errorbar.capsize: 9
image.origin: lower
legend.loc: upper left
figure.dpi: 300
figure.autolayout: True
savefig.format: svg
savefig.bbox: tight
savefig.transparent: True
pdf.compression: 0
"""
DRAW_ALL = """
import json, sys
from pathlib import Path
from rdpipe import figures
for module, inputs, settings in json.load(sys.stdin):
    paths = {name: Path(path) for name, path in inputs.items()}
    figures.draw(module, Path(sys.argv[1]), paths, settings)
"""


@pytest.mark.parametrize("name", FIGURES)
def test_a_page_has_the_numbers_of_the_tables_and_nothing_runs_over_its_edge(name, sketch):
    settings = FIGURES[name]
    catalogues = {key: settings[key] for key in ("splits", "archs") if key in settings}
    table = synthetic_table((0.1, 1.0, 5.0), **catalogues)
    figure, shown = sketch(name, table, **settings)
    keys = ["split", "arch", "part", "beta"]
    if name == "nearest_neighbours":
        keys, table = ["split", "share"], synthetic_neighbours(ALL_SPLITS)
    assert len(shown)
    both = shown.merge(table, on=keys, suffixes=("", "_table"), validate="one_to_one")
    assert len(both) == len(shown)
    compared = [column for column in shown if f"{column}_table" in both]
    assert len(compared) > len(keys) - 2
    for column in compared:
        np.testing.assert_array_equal(both[column], both[f"{column}_table"])
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01


def test_surroundings_do_not_change_a_byte(tmp_path):
    jobs = [
        ("rdpipe.figures.fig1", toy_dataset(tmp_path), {}),
        ("rdpipe.figures.fig2", {}, {"splits": RULES}),
    ]
    archs = {
        "fig6": [arch("mlp", 1), arch("cnn", 1)],
        "ablations": ABLATED[:3],
    }
    # one figure for each piece that figures share
    for name in ("fig3", "fig4", "fig6", "ablations", "nearest_neighbours", "log_likelihood"):
        of_one = {"splits": CV_16K, "archs": archs.get(name, ARCHS[:1])}
        table = synthetic_table((0.1, 1.0), **of_one)
        facts = experiment(tmp_path / f"tables-{name}", table, **of_one)
        jobs.append((f"rdpipe.figures.{name}", *facts))
    (tmp_path / "matplotlibrc").write_text(SURROUNDINGS)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MPL")}
    plain |= {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "1"}
    hostile = plain | {
        "PYTHONHASHSEED": "2",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DRAW_ALL, tmp_path / folder],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for folder, environment in (("plain", plain), ("hostile", hostile))
    ]
    for process in processes:
        _, errors = process.communicate(json.dumps(jobs, default=str))
        assert process.returncode == 0, errors
    files = sorted(path.name for path in (tmp_path / "plain").iterdir())
    assert len(files) == 3 * len(jobs)
    for file in files:
        one, other = (tmp_path / folder / file for folder in ("plain", "hostile"))
        assert one.read_bytes() == other.read_bytes(), file


def test_the_backend_of_a_notebook_is_still_its_own_after_the_import():
    code = "import rdpipe.figures, matplotlib, os; print(matplotlib.rcParams['backend'])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MPLBACKEND": "svg"}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert shown.stdout.decode().strip() == "svg"


def test_the_csv_has_the_numbers_shown(tmp_path):
    table = synthetic_table(splits=CV_16K)
    figures.draw("rdpipe.figures.fig5", tmp_path, *experiment(tmp_path, table, CV_16K))
    shown = pd.read_csv(tmp_path / "fig5.csv")
    moments = ["rate_mean", "rate_std", "distortion_mean", "distortion_std"]
    assert [*shown] == ["split", "arch", "part", "beta", "n", *moments, "note"]
    both = shown.merge(table, on=["split", "arch", "part", "beta"], validate="one_to_one")
    assert len(both) == len(shown) == len(table) / 2  # only test
    for column in moments:
        np.testing.assert_allclose(both[f"{column}_x"], both[f"{column}_y"], rtol=1e-8)


def test_a_point_without_a_finished_run_is_left_out_and_a_single_seed_has_no_bar(sketch):
    table = synthetic_table(seeds=1)
    diverged = (table["beta"] == 0.001) & (table["arch"] == ARCHS[1]["name"])
    table.loc[diverged, "n"] = 0
    table.loc[diverged, [name for name in table if name.endswith("_mean")]] = np.nan
    figure, shown = sketch("fig3", table)
    assert len(shown) == len(table) - diverged.sum()
    assert shown["rate_std"].isna().all()
    # the strips: input, nearest and 12 β, but for the one that diverged
    strips = [len(axes.images) for axes in figure.axes if axes.images]
    assert sorted(strips) == [13, 13, 14, 14]


@pytest.mark.parametrize("name", ["fig5", "fig8"])
def test_a_point_that_lacks_seeds_shows_its_number(name, sketch):
    table = synthetic_table(splits=CV_16K)
    figure, _ = sketch(name, table, splits=CV_16K)
    shown = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert not any(text.startswith("n=") for text in shown)
    lacking = (table["beta"] == 0.1) & (table["arch"] == ARCHS[0]["name"])
    table.loc[lacking, ["n", "note"]] = 4, "1 of 5 diverged"
    figure, _ = sketch(name, table, splits=CV_16K)
    assert "n=4" in [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("name", sorted(FIGURES.keys() - {"nearest_neighbours"}))
def test_an_experiment_of_diverged_runs_is_drawn_empty(name, sketch):
    archs = [arch("mlp", 1), arch("cnn", 1), arch("mlp", 1, "early stopping"), ABLATED[1]]
    table = synthetic_table((1.0,), splits=CV_16K, archs=archs)
    table[[column for column in table if column.endswith(("_mean", "_std"))]] = np.nan
    table["n"] = 0
    _, shown = sketch(name, table, splits=CV_16K, archs=archs)
    assert shown.empty


def test_a_figure_reads_only_the_tables_that_it_shows(tmp_path):
    paths, facts = experiment(tmp_path, synthetic_table((0.1, 1.0), splits=CV_16K), CV_16K)
    for name in ("runs", "neighbours", "reconstructions"):
        paths[name].unlink()
    figures.draw("rdpipe.figures.fig5", tmp_path, paths, facts)
    assert (tmp_path / "fig5.pdf").is_file()


def test_drawing_leaves_no_trace_of_its_style(tmp_path):
    with matplotlib.rc_context({"lines.linewidth": 3}):
        before = dict(matplotlib.rcParams)
        figures.draw("rdpipe.figures.fig2", tmp_path, {}, {"splits": RULES})
        assert dict(matplotlib.rcParams) == before
