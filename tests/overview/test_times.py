"""Estimates: from records of the same kind of job, of like jobs, or counted."""

from pathlib import Path

import pytest

from rdpipe.overview import forecast
from rdpipe.overview.forecast import in_words, of_bytes
from rdpipe.overview.results import Results
from rdpipe.overview.times import Interval, Machine, Measured, of_training
from rdpipe.store import provenance
from rdpipe.store.adopting import records
from rdpipe.store.objects import Store
from rdpipe.store.provenance import processor
from tests.study.test_plan import plan as paper

from ._study import make, plan, remove

CPU = Machine(cores=2, gpus=0, device=processor())
DAY = 86400
SHAPE = (32, 32, 3)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def measured(monkeypatch):
    """The records of a study whose jobs took 60 s each, all their results together."""
    now = [0.0]

    def lap() -> float:
        now[0] += 30.0  # each job looks at the clock before and after
        return now[0]

    study = plan()
    for stage in ("datasets", "splits", "neighbours", "training", "evaluation"):
        with monkeypatch.context() as patch:
            patch.setattr(provenance, "perf_counter", lap)
            make(study, stage)
    return study


def costs(study, stage, machine=CPU):
    return forecast.forecast(Results(study), ["fig3"], machine).of_stage(stage)


def recorded(stage):
    """Seconds of all results of a stage, from their records."""
    return [
        one["seconds"] for one in records(Store(Path("results/store"))) if one["stage"] == stage
    ]


@pytest.mark.parametrize("factor", [1, 3])
def test_a_longer_training_takes_its_share_of_what_the_same_kind_took(measured, factor):
    longer = plan(**{"training.iterations": 20 * factor, "training.learning_rate": 0.5})
    (cost,) = costs(longer, "training")
    took = recorded("training")
    assert cost.basis == "same"
    assert cost.seconds.low <= factor * min(took) * len(took)
    assert cost.seconds.high >= factor * sum(took)
    assert cost.seconds.high <= 5 * factor * max(took) * len(took) + 60


def test_another_architecture_is_estimated_from_like_trainings(measured):
    (same,) = costs(plan(**{"training.iterations": 30}), "training")
    (like,) = costs(plan(**{"archs.mlp-1.width": 16}), "training")
    assert (same.basis, like.basis) == ("same", "like")
    assert like.seconds.high / like.seconds.low > same.seconds.high / same.seconds.low


def test_records_of_another_device_do_not_count(measured):
    other = Machine(2, 1, "NVIDIA H100")
    assert costs(plan(**{"training.iterations": 30}), "training", other)[0].basis == "counted"


def test_records_of_cpu_jobs_do_not_count_for_a_gpu_that_is_not_here(measured):
    unknown = Machine(2, 1, "")  # as of `rdpipe plan --gpus 1` on a machine without a GPU
    longer = plan(**{"training.iterations": 30})
    (training,) = costs(longer, "training", unknown)
    assert training.basis == "counted" and training.source == "counted"
    found = forecast.forecast(Results(longer), ["fig3"], unknown).sources()
    assert not any("this device" in source for source in found)


def test_a_gpu_that_is_not_here_is_estimated_from_the_newest_gpu_of_the_records(
    measured, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "device", lambda: "NVIDIA H100")
        make(plan(**{"training.iterations": 30}), "training")
    longer = plan(**{"training.iterations": 40})
    (training,) = costs(longer, "training", Machine(2, 1, ""))
    assert training.basis == "same"
    assert training.source == "from records of the same kind of job on NVIDIA H100"
    (training,) = costs(longer, "training")
    assert training.source == "from records of the same kind of job on the CPU"


def test_results_of_the_store_take_seconds(measured):
    remove(measured, "training", "evaluation")
    (cost,) = costs(measured, "training")
    assert cost.basis == "store" and cost.seconds.high < 10 and cost.bytes.high == 0


@pytest.mark.parametrize("machine", [CPU, Machine(64, 8, "NVIDIA H100")])
def test_the_month_of_the_papers_study_is_never_a_minute(machine):
    found = forecast.forecast(Results(paper()), paper().study.targets, machine)
    assert len(found.of_stage("training")) == len(found.of_stage("evaluation")) == 6240
    bound = 6240 * 257_000 * 2e9  # operations of the smallest architecture
    speed = 67e12 * machine.gpus if machine.gpus else 2 * 88e9  # what the hardware can at most
    assert bound / speed / 10 < found.wall.low < found.wall.high
    assert found.wall.high > bound / speed > 0.05 * DAY


def test_a_gpu_divides_the_cost_of_a_step_among_the_runs_of_a_pack():
    settings = plan().training["half/mlp-1"].settings
    alone, packed = (of_training(settings, SHAPE, 1, pack, True) for pack in (1, 60))
    assert packed.seconds < alone.seconds / 10


def test_more_cores_take_no_longer():
    walls = [
        forecast.forecast(Results(paper()), ["fig3"], Machine(cores, 0, processor())).wall
        for cores in (2, 16)
    ]
    assert walls[1].low < walls[0].low and walls[1].high < walls[0].high


def test_an_empty_store_knows_nothing():
    assert Measured(Store(Path("results/store"))).gpus == []


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0, 0, "0 seconds"), (1, 9, "1 to 9 seconds"), (30, 840, "30 seconds to 14 minutes"),
        (185, 485, "3 to 8.1 minutes"), (3 * DAY, 40 * DAY, "3 to 40 days"),
        (7000, 7300, "1.9 to 2.1 hours"), (200 * DAY, 4650 * DAY, "200 to 4,700 days"),
    ],
)  # fmt: skip
def test_times_are_rounded_outwards(low, high, words):
    assert in_words(Interval(low, high)) == words


def test_sizes_are_rounded_outwards():
    assert of_bytes(Interval(2.04e9, 3.11e9)) == "2 to 3.2 GB"
