"""What every measure writes, whatever becomes of its run."""

import numpy as np
import pytest
from safetensors.torch import save_file

from rdpipe.common.files import read_parquet, write_json
from rdpipe.diagnostics import active_units, decoder_memorization, fitted_prior, inference_gap
from tests.evaluation import _runs

MEASURES = {
    active_units: {"threshold": 0.01},
    decoder_memorization: {"images": 8},
    fitted_prior: {"images": 16, "components": [1, 2], "outer": 8},
    inference_gap: {"images": 8, "samples": 2, "steps": 100},
}
SHAPE = (2, 3, 1)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda each: each.__name__.rpartition(".")[2])
@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_a_measure_has_a_row_for_each_part_and_is_empty_for_a_run_that_diverged(
    measure, status, tmp_path
):
    model = _runs.constant_model(6)
    record = {"status": status, "arch": _runs.architecture(model), "beta": 0.3, "seed": 7}
    write_json(tmp_path / "run.json", record | {"image_shape": SHAPE})
    if status == "finished":
        save_file(model, tmp_path / "model.safetensors")
    images = {"train": _runs.random_images(20), "test": _runs.random_images(12, seed=1)}
    paths = {"run": tmp_path / "run.json", "model": tmp_path / "model.safetensors"}
    written = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        measure.write_measure(tmp_path / name, images, **paths, seed=0, **MEASURES[measure])
        written.append(read_parquet(tmp_path / name / "metrics.parquet"))
    table, again = written
    assert table.equals(again)  # to the last bit
    assert list(table.columns) == ["beta", "seed", "part", *measure.COLUMNS]
    assert table[["beta", "seed", "part"]].to_numpy().tolist() == [
        [0.3, 7, "train"],
        [0.3, 7, "test"],
    ]
    known = np.isfinite(table[[*measure.COLUMNS]].to_numpy(float))
    assert known.any() == (status == "finished")
    assert known[1].all() == (status == "finished")
