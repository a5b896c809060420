"""Models whose answers are known, and their evaluation."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor

from rdpipe.common.entropy import bernoulli_entropy
from rdpipe.common.files import read_npz, read_parquet, write_json
from rdpipe.evaluation import evaluate as evaluation
from rdpipe.evaluation.examples import Part, Split
from rdpipe.vae import networks
from rdpipe.vae.models import VAE

SETTINGS: dict[str, Any] = {
    "examples": 3,
    "outer": 4096,
    "batch": 512,
    "seed": 0,
    "memorization_images": 64,
    "likelihood_images": 16,
    "likelihood_samples": [4, 32],
}
BETA, SEED = 0.3, 7  # of every run


def architecture(model: dict[str, Tensor]) -> dict[str, Any]:
    """What the models below are."""
    return {"kind": "mlp", "layers": 1, "width": 4, "latent": model["mean.bias"].shape[-1]}


def constant_model(
    pixels: int,
    latent: int = 2,
    mean: float = 0.5,
    log_variance: float = -1.0,
    logit: float = 0.3,
) -> dict[str, Tensor]:
    """An encoder and a decoder that ignore their input: all weights zero, biases set."""
    sizes = {
        "encoder.0": (pixels, 4),
        "mean": (4, latent),
        "log_variance": (4, latent),
        "decoder.0": (latent, 4),
        "output": (4, pixels),
    }
    biases = {"mean": mean, "log_variance": log_variance, "output": logit}
    model = {}
    for name, (inputs, outputs) in sizes.items():
        model[f"{name}.weight"] = torch.zeros(inputs, outputs)
        model[f"{name}.bias"] = torch.full((1, outputs), biases.get(name, 0.0))
    return model


def copying_model() -> dict[str, Tensor]:
    """z = 100 x, nearly without noise, and logit = z - 50, for images of one pixel."""
    model = constant_model(1, latent=1, mean=0.0, log_variance=-12.0, logit=-50.0)
    for name, weight in (("encoder.0", 1), ("mean", 100), ("decoder.0", 1), ("output", 1)):
        model[f"{name}.weight"][0, 0] = weight
    return model


def as_vae(model: dict[str, Tensor], shape: tuple[int, int, int]) -> VAE:
    """One of the models above, for images of a shape."""
    network = networks.build(architecture(model), shape)
    return VAE(network, {name: p[None] for name, p in model.items()})


def random_images(n: int, shape: tuple[int, ...] = (2, 3, 1), seed: int = 0) -> np.ndarray:
    """Noise, uint8 (N, H, W, C)."""
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def make_split(train: np.ndarray, test: np.ndarray) -> Split:
    """A split on which every test image's neighbour is row i % N, at distance i."""
    rows = np.arange(len(test))
    parts = (Part(images, bernoulli_entropy(images)) for images in (train, test))
    return Split(*parts, rows % len(train), rows.astype(float))


def evaluate(
    folder: Path, split: Split, model: dict[str, Tensor], status: str = "finished", **settings: Any
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Metrics by part, and the pictures, of a run that is written and evaluated in a new folder."""
    folder.mkdir()
    record = {
        "status": status, "arch": architecture(model), "beta": BETA, "seed": SEED,
        "image_shape": split.train.images.shape[1:],
    }  # fmt: skip
    write_json(folder / "run.json", record)
    save_file(model, folder / "model.safetensors")
    paths = {"run": folder / "run.json", "model": folder / "model.safetensors"}
    evaluation.write_evaluation(folder, split, **paths, **SETTINGS | settings)
    metrics = read_parquet(folder / "metrics.parquet").set_index("part")
    return metrics, read_npz(folder / "reconstructions.npz")
