"""What a reader may rely on: figures show the tables' numbers, and equal tables, equal bytes.

The tables are synthetic, with curves of the shapes in the paper; Figure 2 gets the settings that
the plan of the paper's study gives it.
"""

import importlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import yaml

from rdpipe.errors import RdpipeError
from rdpipe.figures import _labels, _rd_plane, _style
from rdpipe.files import read_parquet, write_npz, write_parquet
from rdpipe.plan import Plan
from rdpipe.splits import assign
from rdpipe.study import read_study

PAPER_BETAS = (0.001, 0.005, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 2.0, 3.0, 5.0)
SPLITS = {"default": ("cv", 81920, 81920), "cv-16k": ("cv", 16384, 147456)}
ARCHS = {"mlp-1": "1 layer", "mlp-3": "3 layers"}


def synthetic_table(betas=PAPER_BETAS, seeds=5, splits=SPLITS):
    """A summary whose curves have the shapes that the paper describes."""
    rows = [
        {"dataset": "tetrominoes", "split": split, "split_kind": kind, "arch": arch}
        | {"beta": beta, "part": part, "n_train": n_train, "n_test": n_test}
        | {"n": seeds, "n_diverged": 0}
        | metrics(arch, part, n_train < 50_000 and kind == "cv", np.log10(beta), np.log(n_train))
        for split, (kind, n_train, n_test) in splits.items()
        for arch, beta, part in itertools.product(ARCHS, betas, ("train", "test"))
    ]
    table = pd.DataFrame(rows)
    if seeds < 2:
        table[[column for column in table if column.endswith("_std")]] = np.nan
    return table


def metrics(arch, part, sparse, log_beta, log_n):
    low, high = (-log_beta + 0.7) / 3.7, (log_beta + 3) / 3.7  # 1 at the smallest, largest β
    deep, held_out = arch == "mlp-3", part == "test"
    rate = 9 + 18 * low + (70 - 15 * deep) * low**2.5 + 4 * held_out * sparse * low
    distortion = 58 - 3 * deep + 75 * high**4 + 3 * held_out * low
    if sparse and not held_out:
        distortion -= 2 + 8 * deep
    if sparse and held_out:
        distortion += 15 + (95 * high**1.6 if deep else 40 * low**1.5)
    information = min(log_n, rate)
    means = {"rate": rate, "distortion": distortion, "elbo": -rate - distortion}
    means |= {"mutual_information": information - 0.05, "marginal_kl": max(rate - information, 0.3)}
    noise = {"rate": 0.02 * rate, "distortion": 1 + 5 * sparse * held_out}
    return {f"{name}_mean": mean for name, mean in means.items()} | {
        f"{name}_std": noise.get(name, 0.4) for name in means
    }


def synthetic_pictures(betas=PAPER_BETAS, splits=SPLITS, channels=3):
    pairs = [(split, arch, beta) for split in splits for arch in ARCHS for beta in betas]
    split, arch, beta = (np.array(column) for column in zip(*pairs, strict=True))
    images = np.random.default_rng(0).integers(0, 256, (3, len(pairs), 2, 8, 8, channels), np.uint8)
    names = ("input", "reconstruction", "neighbour")
    distance = np.ones((len(pairs), 2))
    return dict(zip(names, images, strict=True)) | {
        "split": split, "arch": arch, "beta": beta, "distance": distance,
    }  # fmt: skip


def experiment(folder, table, betas=PAPER_BETAS, splits=SPLITS, **pictures):
    """Write an experiment's files; what a figure of it is called with."""
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(folder / "rd_summary.parquet", table)
    runs = table[["split", "arch", "beta", "part"]].assign(
        seed=0, status=np.where(table["n"] > 0, "finished", "diverged")
    )
    write_parquet(folder / "rd.parquet", runs)
    write_npz(folder / "reconstructions.npz", **synthetic_pictures(betas, splits, **pictures))
    inputs = {
        "summary": folder / "rd_summary.parquet",
        "runs": folder / "rd.parquet",
        "reconstructions": folder / "reconstructions.npz",
    }
    return {"inputs": inputs, "splits": [*splits], "archs": [*ARCHS], "arch_labels": ARCHS}


def draw(name, folder, **settings):
    importlib.import_module(f"rdpipe.figures.{name}").draw(folder, **settings)
    return {path.name: path.read_bytes() for path in sorted(folder.glob(f"{name}.*"))}


def stars(axes):
    return [line for line in axes.lines if line.get_marker() == "*" and len(line.get_xdata())]


def toy_dataset(folder, n=200):
    random = np.random.default_rng(0)
    factors = pd.DataFrame(random.random((n, 3)), columns=["angle", "hue", "x"])
    write_parquet(folder / "factors.parquet", factors)
    write_npz(folder / "images.npz", images=random.integers(0, 256, (n, 8, 8, 3), np.uint8))
    return {
        name: folder / f"{name}.{kind}"
        for name, kind in (("images", "npz"), ("factors", "parquet"))
    }


PAPER = yaml.safe_load((Path(__file__).parent.parent / "config.yaml").read_text("utf-8"))
FOUR_SPLITS = Plan(read_study(PAPER)).figures["fig2"].settings["splits"]


@pytest.mark.parametrize("name", ["fig3", "fig4", "fig5", "fig8"])
def test_a_figure_of_a_table_is_pdf_png_and_csv_with_the_same_bytes_again(name, tmp_path):
    settings = experiment(tmp_path, synthetic_table((0.1, 1.0)), (0.1, 1.0))
    files = draw(name, tmp_path / "once", **settings)
    assert [*files] == [f"{name}.{kind}" for kind in ("csv", "pdf", "png")]
    assert files == draw(name, tmp_path / "again", **settings)


def test_figures_1_and_2_are_the_same_bytes_again(tmp_path):
    for name, settings in {
        "fig1": {"inputs": toy_dataset(tmp_path)},
        "fig2": {"inputs": {}, "splits": FOUR_SPLITS},
    }.items():
        files = draw(name, tmp_path / "once", **settings)
        assert len(files) == 3
        assert files == draw(name, tmp_path / "again", **settings)


def test_another_process_with_other_hashes_draws_the_same_bytes(tmp_path):
    code = (
        "import sys, pathlib; from rdpipe.figures import fig2;"
        f"fig2.draw(pathlib.Path(sys.argv[1]), inputs={{}}, splits={FOUR_SPLITS!r})"
    )
    for hashes in ("1", "2"):
        environment = os.environ | {
            "PYTHONHASHSEED": hashes,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        subprocess.run([sys.executable, "-c", code, tmp_path / hashes], env=environment, check=True)
    for kind in ("csv", "pdf", "png"):
        one, other = (tmp_path / hashes / f"fig2.{kind}" for hashes in ("1", "2"))
        assert one.read_bytes() == other.read_bytes()


def test_the_csv_of_figure_3_has_the_numbers_of_the_table(tmp_path):
    table = synthetic_table()
    draw("fig3", tmp_path, **experiment(tmp_path, table))
    shown = pd.read_csv(tmp_path / "fig3.csv")
    assert [*shown] == _rd_plane.COLUMNS
    axes = ["split", "arch", "part", "beta"]
    both = shown.merge(table, on=axes, suffixes=("", "_table"), validate="one_to_one")
    assert len(both) == len(shown) == len(table)
    for column in _rd_plane.COLUMNS[4:]:
        np.testing.assert_allclose(both[column], both[f"{column}_table"], rtol=1e-8)


def test_a_point_without_a_finished_run_is_left_out_and_a_single_seed_has_no_bar(tmp_path):
    table = synthetic_table(seeds=1)
    diverged = (table["beta"] == 0.001) & (table["arch"] == "mlp-3")
    table.loc[diverged, "n"] = 0
    table.loc[diverged, [name for name in table if name.endswith("_mean")]] = np.nan
    draw("fig3", tmp_path, **experiment(tmp_path, table))
    shown = pd.read_csv(tmp_path / "fig3.csv")
    assert len(shown) == len(table) - diverged.sum()
    assert shown["rate_std"].isna().all()


def test_an_experiment_of_diverged_runs_is_drawn_empty(tmp_path):
    table = synthetic_table((1.0,))
    table[[name for name in table if name.endswith(("_mean", "_std"))]] = np.nan
    table["n"] = 0
    for name in ("fig3", "fig4", "fig5", "fig8"):
        draw(name, tmp_path, **experiment(tmp_path, table, (1.0,)))
        assert pd.read_csv(tmp_path / f"{name}.csv").empty


@pytest.mark.parametrize(("betas", "expected"), [((0.1, 1.0, 5.0), 2), ((0.1, 5.0), 0)])
def test_a_star_stands_at_beta_1_where_the_grid_has_it(betas, expected):
    _, grid = _rd_plane.panels(1, 1)
    table = synthetic_table(betas)
    curves = [
        _rd_plane.Curve(_rd_plane.points(table, "default", "mlp-1", part), part, "black")
        for part in ("train", "test")
    ]
    _rd_plane.draw_curves(grid[0, 0], curves)
    found = stars(grid[0, 0])
    assert len(found) == expected
    at_one = table[
        (table["beta"] == 1) & (table["split"] == "default") & (table["arch"] == "mlp-1")
    ]
    assert [star.get_xdata().item() for star in found] == at_one["rate_mean"].tolist()


def test_elbo_lines_lie_where_minus_distortion_minus_rate_is_their_label():
    _, grid = _rd_plane.panels(1, 1)
    axes = grid[0, 0]
    curve = _rd_plane.Curve(
        _rd_plane.points(synthetic_table(), "default", "mlp-1", "test"), "", "red"
    )
    _rd_plane.draw_curves(axes, [curve])
    _rd_plane.annotate(axes, [curve])
    labels = [text for text in axes.texts if text.get_rotation_mode() == "anchor"]
    assert len(labels) >= 3
    for text in labels:
        value = float(text.get_text().replace("\N{MINUS SIGN}", "-"))
        assert value == pytest.approx(-sum(text.get_position()))


def test_figure_5_refuses_more_splits_than_colours(tmp_path):
    splits = {f"cv-{i}": ("cv", 1000 * i, 1000) for i in range(1, len(_style.COLOURS) + 2)}
    settings = experiment(tmp_path, synthetic_table((1.0,), splits=splits), (1.0,), splits)
    with pytest.raises(RdpipeError, match="8 splits, but only 7 colours"):
        draw("fig5", tmp_path, **settings)
    settings["splits"].pop()
    assert draw("fig5", tmp_path, **settings)


def test_grey_images_are_drawn(tmp_path):
    assert draw("fig3", tmp_path, **experiment(tmp_path, synthetic_table(), channels=1))


def test_figure_2_shows_the_parts_that_the_splits_assign(tmp_path):
    draw("fig2", tmp_path, inputs={}, splits=FOUR_SPLITS)
    shown = pd.read_csv(tmp_path / "fig2.csv")
    assert shown["split"].value_counts().eq(600).all()
    checkerboard = shown[shown["split"] == "checkerboard"]
    unit = checkerboard[["factor_1", "factor_2"]].to_numpy()
    assert (assign(unit, kind="checkerboard") == checkerboard["part"]).all()
    assert (shown["split"] + shown["part"]).eq("cv-16ktrain").sum() == 60


def test_figure_1_shows_every_factor_from_low_to_high(tmp_path):
    inputs = toy_dataset(tmp_path, n=2000)
    draw("fig1", tmp_path, inputs=inputs)
    shown = pd.read_csv(tmp_path / "fig1.csv")
    factors = read_parquet(inputs["factors"])
    np.testing.assert_allclose(shown[[*factors]], factors.iloc[shown["row"]], rtol=1e-8)
    assert (shown[[*factors]].min() < 0.15).all()
    assert (shown[[*factors]].max() > 0.85).all()


@pytest.mark.parametrize(
    ("n", "label"), [(81_920, "82k"), (16_384, "16k"), (147_456, "147k"), (819, "0.8k")]
)
def test_sizes_are_written_as_in_the_paper(n, label):
    assert _labels.thousands(n) == label


def test_a_split_is_labelled_as_in_the_paper():
    assert _labels.split_label(synthetic_table(), "cv-16k") == "CV(16k/147k)"


def test_drawing_leaves_no_trace_of_its_style(tmp_path):
    before = dict(matplotlib.rcParams)
    draw("fig2", tmp_path, inputs={}, splits=FOUR_SPLITS)
    assert dict(matplotlib.rcParams) == before
