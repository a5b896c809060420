"""What jobs ask of a cluster: that it is counted right, grows with the study, and is bounded."""

import copy

import pytest
import yaml

from rdpipe.study import resources
from rdpipe.study.reading import merge, read_study
from rdpipe.study.settings.study import STAGES
from tests import ROOT

PAPER = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
PACKED = {"pack": ["beta", "seed"]}


def needs(**overlay):
    """Needs of the paper's study, packed, under an overlay."""
    config = copy.deepcopy(PAPER)
    merge(config, {"training": PACKED, "evaluation": PACKED})
    merge(config, overlay)
    return resources.needs(read_study(config))


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


def test_an_architecture_too_deep_for_its_images_is_left_to_its_jobs():
    deep = {"archs": {"cnn-3": {"kind": "cnn", "layers": 9}}}
    assert needs(**deep)["training"].time > 0
