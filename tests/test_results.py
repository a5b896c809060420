"""`rdpipe.open`: finished results in Python, without Snakemake and without a config."""

import json
import shutil

import numpy as np
import pytest
from matplotlib.figure import Figure

import rdpipe
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import write_npz
from tests import ROOT
from tests.report.made_up import SMALL, plan_of, results_of

DIVERGED = ("sparse/mlp-1", 5.0, 1)
MISSING = ("dense/mlp-2", 1.0, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder above results with a diverged run, and with one that is not evaluated yet."""
    folder = tmp_path_factory.mktemp("study")
    results = results_of(folder, plan_of(SMALL), diverged=[DIVERGED], tables_of={"both", "one"})
    gone = results.run("dense", "mlp-2", beta=1, seed=2)
    shutil.rmtree(gone.folder)
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    for split in results.splits:
        parts = results.folder / results.about["splits"][split]
        parts.mkdir(parents=True)
        for part in ("train", "test"):
            write_npz(parts / f"{part}.npz", images=images)
    return folder


@pytest.fixture
def results(folder):
    return rdpipe.open(folder / "results")


@pytest.fixture
def run(results):
    return results.run("sparse", "mlp-1", beta=0.1, seed=2)


def test_it_names_what_can_be_asked_for(results):
    assert results.experiments == ["both", "one"]
    assert results.figures == ["fig1", "curves", "claims"]
    assert (results.splits, results.archs) == (["dense", "sparse"], ["mlp-1", "mlp-2"])
    assert (results.betas, results.seeds) == ([0.001, 0.1, 1.0, 5.0], [0, 1, 2])
    for name in ("both", "curves", "sparse", "mlp-2", "0.001"):
        assert name in repr(results)


def test_tables_are_pandas_frames(results):
    assert len(results.table("both")) == 4 * 4 * 3 * 2
    assert set(results.table("one", "rd_summary")["n"]) == {3, 2}  # one of three diverged
    assert results.table("both", "neighbours")["share"].tolist() == [0, 1]


def test_numbers_of_a_figure_of_claims_are_the_verdicts(results):
    assert set(results.numbers("claims")["claim"]) == {"information_saturates"}


def test_a_figure_is_one_of_matplotlib(results, tmp_path):
    figure = results.figure("curves")
    assert isinstance(figure, Figure)
    assert len(figure.axes) >= 4
    figure.savefig(tmp_path / "mine.png")


def test_all_runs_have_their_status_and_folder(results):
    runs = results.runs()
    assert runs["status"].value_counts().to_dict() == {"finished": 46, "diverged": 1, "missing": 1}
    of_one = runs.query("split == 'dense' and arch == 'mlp-2' and beta == 1 and seed == 2")
    assert of_one["status"].item() == "missing"


def test_a_run_has_its_record_history_measures_and_pictures(run):
    assert run.record["seed"] == 2 and run.status == "finished"
    assert list(run.history) == ["iteration", "distortion", "rate"]
    assert run.metrics.loc["test", "distortion"] == run.metrics.loc["train", "distortion"] + 12
    assert run.reconstructions["input"].shape == (2, 8, 8, 3)
    assert run.images().shape == (9, 8, 8, 3)


def test_a_model_encodes_and_decodes_as_its_vae_does(run):
    import torch

    images = run.images()
    posterior = run.model.encode(images)
    x = torch.from_numpy(images).flatten(1).float() / 255
    with torch.inference_mode():
        mean, log_variance = run.model.vae.encode(x[None])
        logits = run.model.vae.decode(mean)
    assert np.allclose(posterior.mean, mean[0], atol=1e-6)
    assert np.allclose(posterior.std, (log_variance[0] / 2).exp(), atol=1e-6)
    pictures = run.model.decode(posterior.mean)
    assert np.allclose(pictures.reshape(9, -1), torch.sigmoid(logits[0]), atol=1e-6)
    assert np.allclose(run.model.reconstruct(images), pictures)


def test_images_may_be_floats_from_0_to_1(run):
    images = run.images()
    of_floats = run.model.encode(images / 255)
    assert np.allclose(of_floats.mean, run.model.encode(images).mean, atol=1e-6)


def test_samples_of_a_posterior_have_its_mean_and_deviation(run):
    posterior = run.model.encode(np.repeat(run.images()[:1], 4000, axis=0))
    samples = posterior.sample(np.random.default_rng(0))
    error = posterior.std[0] / 4000**0.5
    assert np.all(np.abs(samples.mean(axis=0) - posterior.mean[0]) < 4 * error)
    assert np.allclose(samples.std(axis=0), posterior.std[0], rtol=0.05)


def test_results_may_be_copied(folder, tmp_path):
    shutil.copytree(folder / "results", tmp_path / "elsewhere")
    copied = rdpipe.open(tmp_path / "elsewhere")
    assert copied.run("sparse", "mlp-1", beta=0.1, seed=2).model.latent == 2
    assert len(copied.table("both")) == 96


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda one: one.table("bath"), "there is no experiment 'bath'; did you mean 'both'?"),
        (lambda one: one.figure("carves"), "did you mean 'curves'?"),
        (lambda one: one.run("spars", "mlp-1", beta=1, seed=0), "did you mean 'sparse'?"),
        (lambda one: one.run("sparse", "mlp-1", beta=2, seed=0), "there is no β '2'"),
        (lambda one: one.run("sparse", "mlp-1", beta=1, seed=7), "known are 0, 1, 2."),
        (lambda one: one.run("sparse", "mlp-1", beta=5, seed=1).model, "diverged at iteration 7"),
        (lambda one: one.run("dense", "mlp-2", beta=1, seed=2).model, "is not computed yet"),
        (lambda one: one.run("dense", "mlp-1", beta=1, seed=2).images("valid"), "no part 'valid'"),
    ],
)
def test_what_is_not_there_is_one_sentence(results, ask, sentence):
    with pytest.raises(RdpipeError) as error:
        ask(results)
    assert sentence in str(error.value)


def test_arrays_of_another_shape_are_refused(run):
    with pytest.raises(RdpipeError, match=r"takes \(N, 8, 8, 3\)"):
        run.model.encode(np.zeros((2, 32, 32, 3), np.uint8))
    with pytest.raises(RdpipeError, match=r"takes \(N, 2\)"):
        run.model.decode(np.zeros((2, 10)))


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(RdpipeError, match=r"has no study\.json"):
        rdpipe.open(tmp_path)


def test_of_several_studies_one_is_named(folder, tmp_path):
    for name in ("demo", "mine"):
        (tmp_path / name).mkdir()
        shutil.copy(folder / "results/study.json", tmp_path / name)
    with pytest.raises(RdpipeError, match="name one of demo, mine"):
        rdpipe.open(tmp_path)
    assert rdpipe.open(tmp_path, "mine").experiments == ["both", "one"]


def test_the_notebook_runs_from_its_first_cell_to_its_last(folder, monkeypatch):
    notebook = json.loads((ROOT / "examples/explore.ipynb").read_text("utf-8"))
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert names["pictures"].shape == names["images"].shape
    assert isinstance(names["figure"], Figure)
    names["plt"].close("all")
