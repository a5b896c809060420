"""Pictures of a run's latent space: interpolations, traversals, and samples.

Letters in shapes: N examples, S steps, D latent dimensions, M samples, H, W and C of an image.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rdpipe.common.files import read_json, write_npz
from rdpipe.common.precision import products
from rdpipe.diagnostics.active_units import activity
from rdpipe.diagnostics.runs import Images, encode, load_vae
from rdpipe.evaluation.examples import Encoded
from rdpipe.evaluation.reconstructions import decode, to_uint8
from rdpipe.vae import streams
from rdpipe.vae.models import VAE

PAIRS, PRIOR, AGGREGATE = range(130, 133)  # what numbers are drawn for
SPAN = 2.0  # deviations of the aggregate posterior that a traversal goes to either side


@torch.inference_mode()
@products("float32")
def write_measure(
    folder: Path,
    parts: Images,
    *,
    run: Path,
    model: Path,
    seed: int,
    pairs: int,
    steps: int,
    samples: int,
) -> None:
    """Write `pictures.npz` of one run. A run that diverged has `activity` alone, which is empty.

    Parameters
    ----------
    folder
        Where the file goes.
    parts
        The images the run was trained and is tested on.
    run, model
        Its run.json and its model.safetensors.
    seed
        Seed of the choice of examples and of the samples.
    pairs
        Pairs of test images to interpolate between.
    steps
        Images on the way, both ends included, and images of a traversal.
    samples
        Samples of the prior, and of the aggregate posterior.

    Notes
    -----
    All images are uint8, means of p(x|z):

    - ends (pairs, 2, H, W, C): test images
    - interpolation (pairs, S, H, W, C): straight in latent space between their posterior means
    - traversal (D, S, H, W, C): one dimension moves over the aggregate posterior, the others stay
      at the posterior mean of the first end; dimensions by descending activity
    - activity (D,), float64: the variance of their posterior means over the training part
    - prior, aggregate (M, H, W, C): decoded samples of p(z) = N(0, 1), and of q(z) of the training
      part. Another prior than N(0, 1) is not sampled, and M is 0
    """
    record = read_json(run)
    if record["status"] != "finished":
        write_npz(folder / "pictures.npz", activity=np.empty(0))
        return
    vae = load_vae(record, model)
    train = encode(vae, parts["train"])
    test = parts["test"]
    rows = streams.generator(seed, PAIRS).choice(
        len(test), 2 * pairs, replace=len(test) < 2 * pairs
    )
    ends = encode(vae, test[rows])
    unit_activity = activity(train)
    order = unit_activity.argsort(descending=True, stable=True)
    standard = record["arch"].get("prior", {"kind": "standard"})["kind"] == "standard"
    drawn = streams.generator(seed, PRIOR).standard_normal((samples if standard else 0, len(order)))
    random = streams.generator(seed, AGGREGATE)
    codes = {
        "interpolation": interpolate(ends.mean.unflatten(0, (pairs, 2)), steps),
        "traversal": traverse(ends.mean[0], train, steps)[order],
        "prior": torch.from_numpy(drawn).to(train.mean),
        "aggregate": train.choose(random, samples).sample(random),
    }
    write_npz(
        folder / "pictures.npz",
        ends=ends.images.reshape(pairs, 2, *ends.images.shape[1:]),
        activity=unit_activity[order].cpu().numpy(),
        **{name: images_of(vae, z) for name, z in codes.items()},
    )


def interpolate(ends: Tensor, steps: int) -> Tensor:
    """Straight ways between codes, (pairs, 2, D) -> (pairs, S, D)."""
    share = torch.linspace(0, 1, steps).to(ends)[:, None]
    return (1 - share) * ends[:, :1] + share * ends[:, 1:]


def traverse(base: Tensor, train: Encoded, steps: int) -> Tensor:
    """Codes in which one dimension moves and the others are those of `base` (D,), (D, S, D).

    A dimension moves over SPAN deviations of q(z) about its mean.
    """
    centre = train.mean.mean(0)
    deviation = (activity(train) + train.log_variance.exp().mean(0)).sqrt()
    shares = torch.linspace(-SPAN, SPAN, steps).to(base)
    codes = base.expand(len(base), steps, -1).clone()
    for unit in range(len(base)):
        codes[unit, :, unit] = centre[unit] + shares * deviation[unit]
    return codes


def images_of(vae: VAE, codes: Tensor) -> np.ndarray:
    """What the decoder makes of codes, (…, D) -> uint8 (…, H, W, C)."""
    shape = vae.network.image_shape
    flat = codes.flatten(0, -2)
    if not len(flat):
        return np.empty((*codes.shape[:-1], *shape), np.uint8)
    return to_uint8(decode(vae, flat), shape).reshape(*codes.shape[:-1], *shape)
