"""A trained run and the images of its split, as every measure gets them.

Letters in shapes: N examples of a part, P pixels times channels, D latent dimensions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor

from rdpipe.common import devices
from rdpipe.common.files import read_json, write_parquet
from rdpipe.common.precision import products
from rdpipe.evaluation.examples import BLOCK, Encoded, inputs
from rdpipe.vae import networks
from rdpipe.vae.models import VAE

PARTS = ("train", "test")

Images = Mapping[str, np.ndarray]
"""The images of each part of a split, uint8 (N, H, W, C), by the part."""
Measured = Mapping[str, Mapping[str, float]]
"""Part -> column -> value."""


def load_vae(record: Mapping[str, Any], model: Path) -> VAE:
    """One run's model on the device to compute on, from its run.json and its model.safetensors."""
    network = networks.build(record["arch"], record["image_shape"])
    parameters = {name: tensor[None] for name, tensor in load_file(model).items()}
    return VAE(network, parameters).to(devices.choose())


@products("float32")
def write_metrics(
    folder: Path,
    parts: Images,
    columns: Sequence[str],
    measure: Callable[[VAE, Images, float], Measured],
    *,
    run: Path,
    model: Path,
) -> None:
    """Write `metrics.parquet`: a row each for train and test, with the columns of a measure.

    A run that diverged has no weights worth measuring; all its columns are NaN. So is a column on
    a part on which it is not measured.

    Parameters
    ----------
    folder
        Where the file goes.
    parts
        The images the run was trained and is tested on.
    columns
        All columns of the measure.
    measure
        Is given the run's model, the parts and β.
    run, model
        Its run.json and its model.safetensors.
    """
    record = read_json(run)
    finished = record["status"] == "finished"
    measured: Measured = {part: {} for part in PARTS}
    if finished:
        measured = measure(load_vae(record, model), parts, float(record["beta"]))
    if odd := {name for values in measured.values() for name in values} - {*columns}:
        raise RuntimeError(f"measured, but not listed: {sorted(odd)}")
    axes = {
        "beta": 2 * [float(record["beta"])],
        "seed": 2 * [int(record["seed"])],
        "part": PARTS,
    }
    values = {name: [measured[part].get(name, math.nan) for part in PARTS] for name in columns}
    write_parquet(folder / "metrics.parquet", pd.DataFrame(axes | values))


def encode(vae: VAE, images: np.ndarray) -> Encoded:
    """One run's posteriors of N images."""
    shape = (2, len(images), vae.network.latent)
    posteriors = torch.empty(shape, dtype=torch.float64, device=vae.device)
    size = BLOCK[vae.device.type]
    firsts = range(0, len(images), size)
    for first, rows in zip(firsts, posteriors.split(size, 1), strict=True):
        rows.copy_(torch.cat(vae.encode(inputs(vae, images[first : first + size])[None])))
    return Encoded(images, *posteriors)


def mean_and_error(values: Tensor, name: str) -> dict[str, float]:
    """`name`, the mean of N independent values, and `name_se`, its standard error."""
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return {name: values.mean().item(), f"{name}_se": error}


def with_errors(*names: str) -> tuple[str, ...]:
    """The columns of `mean_and_error`."""
    return tuple(column for name in names for column in (name, f"{name}_se"))
