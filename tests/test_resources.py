"""What jobs ask of a cluster: that it is counted right, grows with the study, and is bounded."""

import copy
from pathlib import Path

import pytest
import torch
import yaml

from rdpipe import engine, models, resources
from rdpipe.config import merge, read_study
from rdpipe.study import CNN, MLP, STAGES

PAPER = yaml.safe_load((Path(__file__).parent.parent / "config.yaml").read_text("utf-8"))
PACKED = {"pack": ["beta", "seed"]}


def needs(**overlay):
    """Needs of the paper's study, packed, under an overlay."""
    config = copy.deepcopy(PAPER)
    merge(config, {"training": PACKED, "evaluation": PACKED})
    merge(config, overlay)
    return resources.needs(read_study(config))


@pytest.mark.parametrize(
    "arch",
    [
        MLP(kind="mlp", layers=1),
        MLP(kind="mlp", layers=3, width=100, latent=3),
        CNN(kind="cnn", layers=1),
        CNN(kind="cnn", layers=3, channels=7, dense=50),
    ],
    ids=["mlp-1", "mlp-3", "cnn-1", "cnn-3"],
)
@pytest.mark.parametrize("image", [(32, 32, 3), (29, 28, 1)], ids=["even", "odd"])
def test_a_network_is_counted_as_it_is_built(arch, image):
    size = resources.size(arch, image)
    network = models.build(arch.model_dump(), image)
    parameters = models.initial_parameters(network, [0])
    assert size.parameters == sum(p.numel() for p in parameters.values())
    # the engine counts the same memory of a run on a GPU
    counted = 4 * (5 * size.parameters + 4 * 16 * size.handed_on)
    assert counted == engine.bytes_of_run(network, 16, torch.float32)


def test_the_products_of_the_papers_networks():
    """Two operations each, three passes, a batch of 128: 2.4 and 3.2 GFLOP a step (MLPs)."""
    one, three = (resources.size(MLP(kind="mlp", layers=k), (32, 32, 3)) for k in (1, 3))
    assert one.products == 2 * 3072 * 512 + 3 * 10 * 512
    assert three.products == one.products + 4 * 512 * 512
    cnn = resources.size(CNN(kind="cnn", layers=1), (32, 32, 3))
    convolution = 4 * 4 * 3 * 64 * 16 * 16  # at each of 16 × 16 places
    assert cnn.products == 2 * convolution + 3 * 10 * 64 * 16 * 16


def test_every_stage_on_images_or_runs_has_its_needs():
    assert set(needs()) == set(STAGES) - {"tables", "figures"}


@pytest.mark.parametrize(
    "overlay",
    [
        {"seeds": list(range(10))},
        {"archs": {"mlp-1": {"width": 4096}}},
        {"training": {"batch_size": 512}},
        {"training": {"precision": "float64"}},
        {"datasets": {"shapes3d": {"size": None}}},
    ],
    ids=lambda overlay: next(iter(overlay)),
)
def test_a_larger_study_asks_for_more_memory(overlay):
    assert needs(**overlay)["training"].memory > needs()["training"].memory


def test_a_job_of_one_run_asks_for_less():
    single, packed = (needs(training={"pack": pack})["training"] for pack in ([], PACKED["pack"]))
    assert single.memory < packed.memory
    assert single.time * 60 == pytest.approx(packed.time)


def test_time_follows_iterations_and_samples():
    assert needs(training={"iterations": 2570})["training"].time * 100 == pytest.approx(
        needs()["training"].time
    )
    without = needs(evaluation={"likelihood_samples": []})["evaluation"].time
    assert without < needs()["evaluation"].time


def test_images_of_ones_own_have_needs_before_they_are_counted():
    own = {"own": {"kind": "images", "images": "pictures", "size": 32}}
    assert needs(datasets=own)["splits"].memory >= needs()["splits"].memory


def test_a_retry_asks_for_more_within_bounds():
    need = needs()["neighbours"]
    assert need.mem_mb(1) < need.mem_mb(2) < need.mem_mb(3) == need.mem_mb(20)
    assert need.mem_mb(20) <= 2 * need.mem_mb(1) + 1
    assert need.runtime(1) < need.runtime(2)
    assert all(
        need.runtime(attempt) <= resources.LONGEST
        for need in needs().values()
        for attempt in (1, 2, 20)
    )
