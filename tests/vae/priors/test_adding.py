"""CONTRIBUTING says: to add a prior, touch two files. Here one is added."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests import ROOT

LAPLACE = '''"""A product of Laplace densities of one learned scale."""

import numpy as np

from rdpipe.vae.priors import Prior

SCALE = "prior.log_scale"


def build(settings, latent, image_shape):
    """The prior; `start` is its first scale."""
    def initial(random, pixels):
        return {SCALE: np.full((1, 1), np.log(settings["start"]), np.float32)}

    return Prior(log_density, None, {SCALE: (1, 1)}, initial)


def log_density(vae, dtype):
    """The log-density."""
    log_scale = vae.parameters[SCALE].to(dtype)

    def of(z):
        return -(z.abs() / log_scale.exp() + log_scale + np.log(2)).sum(-1)

    return of
'''
SETTINGS = '''class Laplace(Model):
    """A product of Laplace densities."""

    kind: Literal["laplace"]
    start: Annotated[float, Field(gt=0), NUMBER] = 0.5
    """The scale at first."""


'''
USE = """
import copy, sys
from pathlib import Path

import numpy as np
import torch
import yaml

from rdpipe.common.entropy import bernoulli_entropy
from rdpipe.evaluation import evaluate
from rdpipe.evaluation.examples import Part, Split
from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from rdpipe.training.pack import Run
from rdpipe.training.train import train, write_run

config = yaml.safe_load(Path(sys.argv[1]).read_text("utf-8"))
config["archs"]["mine"] = {"kind": "mlp", "layers": 1, "width": 8, "latent": 2, "prior": "laplace"}
config["experiments"]["mine"] = {"splits": ["cv-16k"], "archs": ["mine"]}
study = read_study(config)
assert "rdpipe.vae.priors.laplace" in Plan(study).training["cv-16k/mine"].modules
images = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1), np.uint8)
how = {"arch": study.archs["mine"].result_settings(), "iterations": 30, "batch_size": 8,
       "learning_rate": 1e-2, "precision": "float32", "history_every": 10, "device": "cpu"}
(run,) = train(images, [Run(1.0, 0)], **how)
assert run.record["status"] == "finished"
assert abs(run.parameters["prior.log_scale"].item() - np.log(0.5)) > 0.05  # it was learned
write_run(Path(), run)
part = Part(images, bernoulli_entropy(images))
split = Split(part, part, np.arange(40), np.arange(40.0))
vae = evaluate.load_vae(run.record, Path("model.safetensors"))
counts = {"outer": 40, "batch": 20, "memorization_images": 8, "likelihood_images": 8}
measured, _ = evaluate.measure_run(vae, split, seed=0, likelihood_samples=[5], **counts)
assert np.isfinite(measured["test"]["rate"]) and measured["test"]["rate_se"] > 0
print("added")
"""


def test_a_prior_is_added_with_its_module_and_its_settings(tmp_path: Path) -> None:
    package = tmp_path / "src/rdpipe"
    shutil.copytree(ROOT / "src/rdpipe", package, ignore=shutil.ignore_patterns("__py*"))
    (package / "vae/priors/laplace.py").write_text(LAPLACE, "utf-8")
    archs = package / "study/settings/archs.py"
    text = archs.read_text("utf-8")
    text = text.replace("def _kind(", SETTINGS + "def _kind(", 1)
    text = text.replace("| Vamp | Flow,", "| Vamp | Flow | Laplace,", 1)
    archs.write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", USE, str(ROOT / "config.yaml")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "added\n", done.stderr
