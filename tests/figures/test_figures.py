"""What a reader may rely on: figures show the tables' numbers, and equal tables, equal bytes.

The tables are synthetic, with curves of the shapes in the paper; Figure 2 gets the settings that
the plan of the paper's study gives it.
"""

import importlib
import itertools
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_parquet, write_npz, write_parquet
from rdpipe.figures import _labels, _rd_plane, _style
from rdpipe.splits import assign
from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from tests import ROOT

PAPER_BETAS = (0.001, 0.005, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 2.0, 3.0, 5.0)
SPLITS = {"default": ("cv", 81920, 81920), "cv-16k": ("cv", 16384, 147456)}
SIZES = (8192, 16384, 24576, 32768, 40960, 49152, 57344, 65536)
ALL_SPLITS = (
    {"default": SPLITS["default"], "checkerboard": ("checkerboard", 81920, 81920)}
    | {f"cv-{n // 1000}k": ("cv", n, 163840 - n) for n in SIZES}
    | {f"cd-{n // 1000}k": ("cd", n - 70, n + 40) for n in SIZES}  # sizes by chance
)
SAMPLES = (100, 1000, 5000)


def arch(kind, layers, variant=""):
    label = ", ".join(filter(None, [f"{layers}-layer {kind.upper()}", variant]))
    name = label.lower().replace(", ", "-").replace(" ", "-")
    return {
        "name": name,
        "label": label,
        "kind": kind,
        "layers": layers,
        "variant": variant,
        "base": f"{layers}-layer-{kind}",
    }


ARCHS = [arch("mlp", 1), arch("mlp", 3)]
FOUR_ARCHS = [*ARCHS, arch("cnn", 1), arch("cnn", 3)]
STOPPED = [*ARCHS, arch("mlp", 1, "early stopping"), arch("mlp", 3, "early stopping")]
ABLATED = [
    arch("mlp", layers, variant) for layers in (1, 3) for variant in ("", "no marginal KL", "no MI")
]


def synthetic_table(betas=PAPER_BETAS, seeds=5, splits=SPLITS, archs=ARCHS):
    """A summary whose curves have the shapes that the paper describes."""
    rows = [
        {"dataset": "tetrominoes", "split": split, "split_kind": kind, "arch": arch["name"]}
        | {"beta": beta, "part": part, "n_train": n_train, "n_test": n_test}
        | {"n": seeds, "n_diverged": 0}
        | metrics(arch, part, kind, max(beta, 1e-3), n_train)
        for split, (kind, n_train, n_test) in splits.items()
        for arch, beta, part in itertools.product(archs, betas, ("train", "test"))
    ]
    table = pd.DataFrame(rows)
    if seeds < 2:
        table[[column for column in table if column.endswith("_std")]] = np.nan
    return table


def metrics(arch, part, kind, beta, n_train):
    low, high = (-np.log10(beta) + 0.7) / 3.7, (np.log10(beta) + 3) / 3.7  # 1 at the least, most β
    deep, held_out, log_n = arch["layers"] > 1, part == "test", np.log(n_train)
    sparse = np.log(81920 / n_train) / 1.6 if kind == "cv" else 0.9 * (kind == "checkerboard")
    sparse += (kind == "cd") * n_train / 2e5  # 1 of CV(16k/147k)
    rate = 9 + 18 * low + (70 - 15 * deep) * low**2.5 + 4 * held_out * sparse * low
    distortion = 58 - 3 * deep + 75 * high**4 + 3 * held_out * low
    if arch["kind"] == "cnn":
        distortion, sparse = distortion - 4, sparse / 2
    if "early stopping" in arch["variant"]:
        sparse /= 3
    if "marginal" in arch["variant"]:
        rate *= 1 + 4 * low
    if "MI" in arch["variant"]:
        rate, distortion = 14.0 + low, distortion - 50 * high**4
    if held_out:
        distortion += sparse * (15 + (95 * high**1.6 if deep else 40 * low**1.5))
    else:
        distortion -= sparse * (2 + 8 * deep)
    information = min(log_n, rate)
    means = {"rate": rate, "distortion": distortion, "elbo": -rate - distortion}
    for k in SAMPLES:
        ess = k * (0.02 + 0.5 * high**3)
        means |= {f"log_likelihood_{k}": -distortion - rate + 1.5 * np.log(k) * (0.4 + low)}
        means |= {f"log_likelihood_{k}_ess": ess}
    means |= {"log_likelihood_elbo": -distortion - rate - 3}
    means |= {"weight_perplexity": 1 + 0.2 * n_train * high**8, "optimal_gap": 0.002 + 0.02 * low}
    if held_out:
        means |= {"memorization": min(1, 0.02 + sparse * (0.1 + 0.6 * deep * high))}
    else:
        terms = {"mutual_information": information - 0.05, "marginal_kl": max(rate - log_n, 0.3)}
        means |= terms | {f"{name}_batch": 0.93 * mean for name, mean in terms.items()}
    noise = {"rate": 0.02 * rate, "distortion": 1 + 5 * sparse * held_out, "memorization": 0.02}
    noise |= {"optimal_gap": 0.001, "weight_perplexity": 0.1 * means["weight_perplexity"]}
    noise |= {name: 0.01 * mean for name, mean in means.items() if name.endswith("_ess")}
    return {f"{name}_mean": mean for name, mean in means.items()} | {
        f"{name}_std": noise.get(name, 0.4) for name in means
    }


def synthetic_pictures(betas, splits, archs, channels=3):
    """Pictures of each split in a size of its own."""
    pairs = list(itertools.product(archs, betas))
    arrays = {}
    for side, split in enumerate(splits, 8):
        image = (2, side, side, channels)
        random = np.random.default_rng(side)
        named = {
            "arch": np.array([arch["name"] for arch, _ in pairs]),
            "beta": np.array([beta for _, beta in pairs], float),
            "reconstruction": random.integers(0, 256, (len(pairs), *image), np.uint8),
            "optimal": random.integers(0, 256, (len(pairs), *image), np.uint8),
            "input": random.integers(0, 256, image, np.uint8),
            "neighbour": random.integers(0, 256, image, np.uint8),
            "distance": np.ones(2),
        }
        arrays |= {f"{split}/{name}": array for name, array in named.items()}
    return arrays


def synthetic_neighbours(splits):
    """Distances of test images to train: the farther, the fewer there are."""
    share = np.linspace(0, 1, 201)
    scale = {"cv": 1.0, "cd": 0.4, "checkerboard": 1.9}
    curves = [
        {"split": split, "share": share}
        | {"distance": 9 * scale[kind] * n_train**-0.15 * (0.3 + 2 * share + share**9)}
        for split, (kind, n_train, _) in splits.items()
    ]
    return pd.concat([pd.DataFrame(curve) for curve in curves])


def experiment(folder, table, splits=SPLITS, archs=ARCHS, datasets=None, channels=3):
    """Write an experiment's files; what a figure of it is called with."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = table[["split", "arch", "beta", "part"]].assign(
        seed=0, status=np.where(table["n"] > 0, "finished", "diverged")
    )
    betas = sorted(set(table["beta"]))
    inputs = {name: folder / name for name in ("summary", "runs", "neighbours", "reconstructions")}
    write_parquet(inputs["summary"], table)
    write_parquet(inputs["runs"], runs)
    write_parquet(inputs["neighbours"], synthetic_neighbours(splits))
    pictures = synthetic_pictures(betas, splits, archs, channels)
    write_npz(inputs["reconstructions"], **pictures)
    named = [
        {"name": name, "dataset": (datasets or {}).get(name, "Tetrominoes")} for name in splits
    ]
    return {"inputs": inputs, "splits": named, "archs": archs}


def draw(name, folder, **settings):
    importlib.import_module(f"rdpipe.figures.{name}").draw(folder, **settings)
    return {path.name: path.read_bytes() for path in sorted(folder.glob(f"{name}.*"))}


@pytest.fixture
def sketch(monkeypatch, tmp_path):
    """Draws a figure of an experiment, and returns the page and its numbers instead of files."""

    def draw_page(name, table=None, **settings):
        kept = []
        monkeypatch.setattr(_style, "save", lambda *saved: kept.append(saved))
        if table is None:
            catalogues = {key: settings[key] for key in ("splits", "archs") if key in settings}
            table = synthetic_table((0.1, 1.0, 5.0), **catalogues)
        draw(name, tmp_path, **experiment(tmp_path, table, **settings))
        [(figure, _, named, numbers)] = kept
        assert named == name
        return figure, numbers.reset_index(drop=True)

    return draw_page


def lines(axes):
    """The curves of a panel, by colour and style."""
    return {
        (to_hex(line.get_color()), line.get_linestyle()): line.get_xydata()
        for line in axes.lines
        if line.get_linestyle() != "None" and line.get_marker() == "o"
    }


def stars(axes):
    return [line for line in axes.lines if line.get_marker() == "*" and len(line.get_xdata())]


def titled(figure):
    """The panels of a page by their titles."""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def toy_dataset(folder, n=200):
    random = np.random.default_rng(0)
    factors = pd.DataFrame(random.random((n, 3)), columns=["angle", "hue", "x"])
    write_parquet(folder / "factors.parquet", factors)
    write_npz(folder / "images.npz", images=random.integers(0, 256, (n, 8, 8, 3), np.uint8))
    return {
        name: folder / f"{name}.{kind}"
        for name, kind in (("images", "npz"), ("factors", "parquet"))
    }


PAPER = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
FOUR_SPLITS = Plan(read_study(PAPER)).figures["fig2"].settings["splits"]


CV_16K = {"cv-16k": SPLITS["cv-16k"]}
FIGURES = {
    "fig3": {},
    "fig4": {},
    "fig5": {"splits": SPLITS | {"checkerboard": ALL_SPLITS["checkerboard"]}},
    "fig6": {"splits": CV_16K, "archs": FOUR_ARCHS},
    "fig7": {"datasets": {"cv-16k": "Fashion-MNIST"}},
    "fig8": {"splits": CV_16K},
    "nearest_neighbours": {"splits": ALL_SPLITS},
    "early_stopping": {"splits": CV_16K, "archs": STOPPED},
    "ablations": {"splits": CV_16K, "archs": ABLATED},
    "log_likelihood": {"splits": CV_16K},
    "memorization": {},
    "optimal_decoder": {"splits": CV_16K},
}


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


@pytest.mark.parametrize("name", ["fig3", "nearest_neighbours", "log_likelihood"])
def test_a_figure_of_a_table_is_pdf_png_and_csv_with_the_same_bytes_again(name, tmp_path):
    table = synthetic_table((0.1, 1.0), splits=CV_16K, archs=ARCHS[:1])
    settings = experiment(tmp_path, table, CV_16K, ARCHS[:1])
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


def test_the_csv_has_the_numbers_shown(tmp_path):
    table = synthetic_table(splits=CV_16K)
    draw("fig5", tmp_path, **experiment(tmp_path, table, CV_16K))
    shown = pd.read_csv(tmp_path / "fig5.csv")
    moments = ["rate_mean", "rate_std", "distortion_mean", "distortion_std"]
    assert [*shown] == ["split", "arch", "part", "beta", "n", *moments]
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


@pytest.mark.parametrize("name", sorted(FIGURES.keys() - {"nearest_neighbours"}))
def test_an_experiment_of_diverged_runs_is_drawn_empty(name, sketch):
    archs = [arch("mlp", 1), arch("cnn", 1), arch("mlp", 1, "early stopping"), ABLATED[1]]
    table = synthetic_table((1.0,), splits=CV_16K, archs=archs)
    table[[column for column in table if column.endswith(("_mean", "_std"))]] = np.nan
    table["n"] = 0
    _, shown = sketch(name, table, splits=CV_16K, archs=archs)
    assert shown.empty


@pytest.mark.parametrize(("betas", "expected"), [((0.1, 1.0, 5.0), 2), ((0.1, 5.0), 0)])
def test_a_star_stands_at_beta_1_where_the_grid_has_it(betas, expected):
    axes = Figure().add_subplot()
    table = synthetic_table(betas)
    curves = [
        _rd_plane.Curve(_rd_plane.points(table, "default", "1-layer-mlp", part), part, "black")
        for part in ("train", "test")
    ]
    _rd_plane.draw_curves(axes, curves)
    found = stars(axes)
    assert len(found) == expected
    at_one = table[
        (table["beta"] == 1) & (table["split"] == "default") & (table["arch"] == "1-layer-mlp")
    ]
    assert [star.get_xdata().item() for star in found] == at_one["rate_mean"].tolist()


def test_elbo_lines_lie_where_minus_distortion_minus_rate_is_their_label():
    axes = Figure().add_subplot()
    curve = _rd_plane.Curve(
        _rd_plane.points(synthetic_table(), "default", "1-layer-mlp", "test"), "", "red"
    )
    _rd_plane.draw_curves(axes, [curve])
    _rd_plane.annotate(axes, [curve])
    labels = [text for text in axes.texts if text.get_rotation_mode() == "anchor"]
    assert len(labels) >= 3
    for text in labels:
        value = float(text.get_text().replace("\N{MINUS SIGN}", "-"))
        assert value == pytest.approx(-sum(text.get_position()))


def test_there_is_a_curve_a_size_and_near_sizes_have_one_look(sketch):
    figure, _ = sketch("fig4", splits=ALL_SPLITS)
    panels = titled(figure)
    kinds = ("CV", "Checkerboard", "CD")
    assert [*panels] == [f"{kind}, {arch['label']}" for kind in kinds for arch in ARCHS]
    curves = {kind: lines(panels[f"{kind}, 1-layer MLP"]) for kind in kinds}
    assert [len(curves[kind]) for kind in kinds] == [9, 1, 8]
    assert curves["CD"].keys() < curves["CV"].keys()
    assert curves["Checkerboard"].keys() < curves["CV"].keys()
    [legend] = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert {"8k", "16k", "25k", "33k", "41k", "49k", "57k", "66k", "82k"} < {*labels}


def test_figure_6_compares_kinds_on_test_and_training_at_each_depth(sketch):
    table = synthetic_table((0.1, 1.0), splits=CV_16K, archs=FOUR_ARCHS)
    figure, _ = sketch("fig6", table, splits=CV_16K, archs=FOUR_ARCHS)
    panels = titled(figure)
    assert [*panels] == ["CV(16k/147k), 1 layer", "CV(16k/147k), 3 layers"]
    of_cnn = table[(table["arch"] == "3-layer-cnn") & (table["part"] == "test")]
    drawn = lines(panels["CV(16k/147k), 3 layers"])
    assert len(drawn) == 4
    np.testing.assert_array_equal(
        drawn[_style.TEST.lower(), "-"], of_cnn[["rate_mean", "distortion_mean"]]
    )


def test_figure_7_gives_each_dataset_a_panel_with_its_own_limits(sketch):
    splits = {f"s{i}": ("cv", 8192 * i, 60000) for i in range(1, 6)}
    figure, _ = sketch("fig7", splits=splits, datasets=dict.fromkeys(splits, "MNIST"))
    panels = titled(figure)
    assert [*panels][:2] == ["MNIST, CV(8k/60k)", "MNIST, CV(16k/60k)"]
    assert len(panels) == 5
    assert len({axes.get_ylim() for axes in panels.values()}) == 5
    assert len({axes.bbox.y0 for axes in panels.values()}) == 2  # rows


def test_figure_8_has_the_estimate_from_batches_beside_the_full_sum(sketch):
    figure, shown = sketch("fig8", splits=CV_16K)
    assert {"mutual_information_batch_mean", "marginal_kl_batch_std"} < {*shown}
    faint = [line for line in figure.axes[0].lines if line.get_alpha()]
    expected = shown[shown["arch"] == "1-layer-mlp"]["mutual_information_batch_mean"]
    np.testing.assert_array_equal(faint[0].get_ydata(), expected)


def test_beta_0_is_shown_on_an_axis_of_beta(sketch):
    table = synthetic_table((0.0, 0.1, 1.0), splits=CV_16K)
    figure, _ = sketch("fig8", table, splits=CV_16K)
    axes = figure.axes[0]
    assert [*lines(axes)[_style.TRAIN.lower(), "-"][:, 0]] == [0, 0.1, 1]
    assert axes.get_xlim()[0] < 0
    assert 0 in axes.get_xticks()


def test_nearest_neighbours_mark_the_90th_percentile(sketch):
    figure, shown = sketch("nearest_neighbours", splits=ALL_SPLITS)
    [axes] = figure.axes
    dots = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"]
    expected = shown[np.isclose(shown["share"], 0.9)]["distance"]
    assert len(dots) == len(ALL_SPLITS)
    np.testing.assert_allclose(dots, [(distance, 0.9) for distance in expected])


def test_each_dataset_has_its_own_panel_of_distances(sketch):
    figure, _ = sketch("nearest_neighbours", datasets={"cv-16k": "MNIST"})
    assert [axes.get_title() for axes in figure.axes] == ["Tetrominoes", "MNIST"]


@pytest.mark.parametrize(
    ("name", "archs", "curves"), [("early_stopping", STOPPED, 4), ("ablations", ABLATED, 6)]
)
def test_variants_stand_beside_the_plain_architecture(name, archs, curves, sketch):
    others = [arch("cnn", 3)]  # has no variant: left out
    figure, shown = sketch(name, splits=CV_16K, archs=[*others, *archs])
    panels = titled(figure)
    assert [*panels] == ["CV(16k/147k), 1-layer MLP", "CV(16k/147k), 3-layer MLP"]
    assert {len(lines(axes)) for axes in panels.values()} == {curves}
    assert {*shown["arch"]} == {one["name"] for one in archs}


def test_log_likelihood_shows_the_most_samples_full_and_their_effective_share(sketch):
    table = synthetic_table((0.1, 1.0), splits=CV_16K, archs=ARCHS[:1])
    figure, shown = sketch("log_likelihood", table, splits=CV_16K, archs=ARCHS[:1])
    main, effective = figure.axes
    test = table[table["part"] == "test"]
    drawn = lines(main)[_style.TEST.lower(), "-"]
    np.testing.assert_array_equal(drawn[:, 1], test["log_likelihood_5000_mean"])
    share = lines(effective)[_style.TEST.lower(), "-"][:, 1]
    np.testing.assert_allclose(share, test["log_likelihood_5000_ess_mean"] / 5000)
    np.testing.assert_array_equal(share, shown[shown["part"] == "test"]["effective_share_mean"])
    assert sum(line.get_alpha() is not None for line in main.lines) == 4  # two K, two parts


def test_memorization_has_the_densest_split_as_its_baseline(sketch):
    table = synthetic_table((0.1, 1.0))
    figure, shown = sketch("memorization", table)
    drawn = lines(titled(figure)["3-layer MLP"])
    assert len(drawn) == 2
    dense = table[(table["split"] == "default") & (table["arch"] == "3-layer-mlp")]
    np.testing.assert_array_equal(
        drawn["#000000", ":"][:, 1], dense[dense["part"] == "test"]["memorization_mean"]
    )
    assert set(shown["part"]) == {"test"}


def test_a_single_split_is_no_baseline_of_itself(sketch):
    figure, _ = sketch("memorization", splits=CV_16K)
    assert all(style == "-" for _, style in lines(titled(figure)["3-layer MLP"]))


def test_the_optimal_decoder_has_its_images_below_the_models(sketch):
    table = synthetic_table((0.1, 1.0), splits=CV_16K, archs=ARCHS[:1])
    figure, _ = sketch("optimal_decoder", table, splits=CV_16K, archs=ARCHS[:1])
    [strip] = [axes for axes in figure.axes if axes.images]
    at = [tuple(image.get_extent())[2] for image in strip.images]  # their lower sides
    assert sorted(at) == pytest.approx([-1.05, -1.05, 0, 0, 0, 0])
    axes = titled(figure)["CV(16k/147k), 1-layer MLP"]
    assert 16384 in [line.get_ydata()[0] for line in axes.lines]


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("fig6", {}, "kind mlp and of kind cnn"),
        ("fig6", {"archs": [*FOUR_ARCHS, FOUR_ARCHS[0]]}, "no two architectures of one kind"),
        ("fig7", {"archs": [arch("mlp", n) for n in range(1, 9)]}, "8 architectures, but only 7"),
        ("early_stopping", {"archs": ABLATED}, "no architecture with early_stopping"),
        ("ablations", {"archs": STOPPED}, "no architecture with penalty"),
    ],
)
def test_an_experiment_that_lacks_what_a_figure_compares_is_refused(
    name, settings, sentence, sketch
):
    with pytest.raises(RdpipeError, match=sentence):
        sketch(name, splits=CV_16K, **settings)


@pytest.mark.parametrize("change", ["no columns", "no values"])
def test_log_likelihood_says_how_it_is_estimated_where_it_was_not(change, sketch):
    table = synthetic_table((1.0,), splits=CV_16K)
    estimates = [column for column in table if column.startswith("log_likelihood")]
    table = table.drop(columns=estimates) if change == "no columns" else table
    table[table.columns.intersection(estimates)] = np.nan
    with pytest.raises(RdpipeError, match=r"evaluation\.likelihood_samples"):
        sketch("log_likelihood", table, splits=CV_16K)


def test_grey_images_are_drawn(sketch):
    figure, _ = sketch("fig3", splits=CV_16K, channels=1)
    assert any(axes.images for axes in figure.axes)


def test_more_reconstructions_than_have_room_are_thinned_out_to_both_ends(sketch):
    table = synthetic_table(splits=CV_16K, archs=FOUR_ARCHS)
    figure, _ = sketch("fig3", table, splits=CV_16K, archs=FOUR_ARCHS)
    strips = [axes for axes in figure.axes if axes.images]
    labels = {text.get_text() for text in strips[0].texts}
    assert {"input", "nearest", "0.001", "5"} < labels
    assert len(strips[0].images) < 2 + len(PAPER_BETAS)


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


def test_a_split_is_labelled_as_in_the_paper_and_with_its_dataset_if_that_is_another():
    table = synthetic_table((1.0,))
    assert _labels.split_label(table, "cv-16k") == "CV(16k/147k)"
    for dataset, label in (("Tetrominoes", "CV(16k/147k)"), ("MNIST", "MNIST, CV(16k/147k)")):
        splits = [{"name": "cv-16k", "dataset": dataset}]
        assert _labels.split_labels(table, splits) == {"cv-16k": label}


def test_of_splits_of_one_kind_the_largest_is_the_darkest():
    colours = _labels.split_colours(synthetic_table((1.0,), splits=ALL_SPLITS), [*ALL_SPLITS])
    light = {split: sum(colour[:3]) for split, colour in colours.items()}
    cd = [light[f"cd-{n // 1000}k"] for n in SIZES]
    assert cd == sorted(cd, reverse=True)
    assert len({tuple(colour) for colour in colours.values()}) == len(ALL_SPLITS)


def test_drawing_leaves_no_trace_of_its_style(tmp_path):
    before = dict(matplotlib.rcParams)
    draw("fig2", tmp_path, inputs={}, splits=FOUR_SPLITS)
    assert dict(matplotlib.rcParams) == before
