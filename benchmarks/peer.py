"""The same work by a peer: pythae's VAE and VampPrior, and ours, on real digits.

Data: an array of images, uint8 (N, 28, 28), such as the 10,000 test digits of MNIST. A fifth of it
tests. Both train the same networks (an MLP of one layer), with Adam, batches of 128 and β = 1, for
as many steps, with as many seeds. pythae's models are then put into ours, parameter by parameter,
so that one code measures the ELBO and log p(x) of both. They should agree within the deviation over
seeds. Needs pythae 0.1.2 (`pip install .[bench]`).

pythae starts pseudo-inputs from noise and clamps them to [0, 1]. Ours start from training images,
so the two may differ where a training is short.
"""

import argparse
import io
import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import Row, parser, save, show
from torch import Tensor, nn

from rdpipe.evaluation import likelihood, rate_distortion
from rdpipe.evaluation.examples import Part, inputs
from rdpipe.training.pack import Run
from rdpipe.training.train import train
from rdpipe.vae import networks
from rdpipe.vae.models import VAE
from rdpipe.vae.priors import vamp

BATCH, LEARNING_RATE, LATENT = 128, 1e-3, 10
COLUMNS = {
    "model": "{}", "by": "{}", "seeds": "{}", "steps_per_second": "{:.1f}", "elbo": "{:.2f}",
    "elbo_std": "{:.2f}", "log_p": "{:.2f}", "log_p_std": "{:.2f}",
}  # fmt: skip


def architecture(model: str, width: int, components: int) -> dict[str, Any]:
    """Ours, with the standard prior or VampPrior."""
    prior = {"kind": "standard"} if model == "vae" else {"kind": "vamp", "components": components}
    return {
        "kind": "mlp", "layers": 1, "width": width, "latent": LATENT, "penalty": "rate",
        "early_stopping": None, "prior": prior, "likelihood": "bernoulli",
    }  # fmt: skip


def ours(arch: dict[str, Any], images: np.ndarray, steps: int, seed: int) -> tuple[VAE, float]:
    """A trained model, and steps per second."""
    start = time.perf_counter()
    (run,) = train(
        images, [Run(1.0, seed)], arch=arch, iterations=steps, batch_size=BATCH,
        learning_rate=LEARNING_RATE, precision="float32", history_every=steps, device="cpu",
    )  # fmt: skip
    speed = steps / (time.perf_counter() - start)
    network = networks.build(arch, images.shape[1:])
    return VAE(network, {name: p[None] for name, p in run.parameters.items()}), speed


def theirs(arch: dict[str, Any], images: np.ndarray, steps: int, seed: int) -> tuple[VAE, float]:
    """One by pythae after whole epochs of about so many steps, as a model of ours; its speed."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE as PlainVAE
    from pythae.models import VAMP, VAEConfig, VAMPConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable()
    torch.manual_seed(seed)
    pixels, width = images[0].size, arch["width"]
    height, across, channels = images.shape[1:]

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(pixels, width)
            self.mean, self.log_variance = nn.Linear(width, LATENT), nn.Linear(width, LATENT)

        def forward(self, x: Tensor) -> Any:
            h = self.hidden(x.flatten(1)).relu()
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.output = nn.Linear(LATENT, width), nn.Linear(width, pixels)

        def forward(self, z: Tensor) -> Any:
            mean = self.output(self.hidden(z).relu()).sigmoid()
            return ModelOutput(reconstruction=mean.view(-1, channels, height, across))

    shape = {"input_dim": (channels, height, across), "latent_dim": LATENT}
    how = {**shape, "reconstruction_loss": "bce"}
    if arch["prior"]["kind"] == "standard":
        model = PlainVAE(VAEConfig(**how), Encoder(), Decoder())
    else:
        config = VAMPConfig(
            **how, number_components=arch["prior"]["components"], linear_scheduling_steps=0
        )
        model = VAMP(config, Encoder(), Decoder())
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    epochs = max(1, round(steps * BATCH / len(x)))
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder, num_epochs=epochs, per_device_train_batch_size=BATCH,
            learning_rate=LEARNING_RATE, no_cuda=True, seed=seed,
        )  # fmt: skip
        trainer = BaseTrainer(model, BaseDataset(x, torch.zeros(len(x))), training_config=settings)
        start = time.perf_counter()
        with redirect_stderr(io.StringIO()):  # progress bars
            trainer.train()
        speed = epochs * -(-len(x) // BATCH) / (time.perf_counter() - start)
    return _as_ours(model, arch, images.shape[1:]), speed


def _as_ours(model: nn.Module, arch: dict[str, Any], shape: tuple[int, ...]) -> VAE:
    """The parameters of pythae's model in a model of ours."""
    layers = {
        "encoder.0": model.encoder.hidden, "mean": model.encoder.mean,
        "log_variance": model.encoder.log_variance, "decoder.0": model.decoder.hidden,
        "output": model.decoder.output,
    }  # fmt: skip
    parameters = {}
    for name, layer in layers.items():
        parameters[f"{name}.weight"] = layer.weight.detach().T.contiguous()[None]
        parameters[f"{name}.bias"] = layer.bias.detach()[None, None]
    if arch["prior"]["kind"] == "vamp":
        with torch.no_grad():
            inputs_ = model.pseudo_inputs(model.idle_input).clamp(1e-6, 1 - 1e-6)
        parameters[vamp.INPUTS] = (inputs_.logit() / vamp.SLOPE)[None]
    return VAE(networks.build(arch, shape), parameters)


@torch.inference_mode()
def measure(vae: VAE, test: np.ndarray, samples: int) -> tuple[float, float]:
    """ELBO and log p(x) on the test images, nats."""
    noise, random = np.random.default_rng(0), np.random.default_rng(1)
    metrics, encoded = rate_distortion.measure(vae, Part(test, 0.0), noise, random, "test")
    chosen = encoded[np.arange(min(500, len(test)))]
    posteriors = chosen.mean, chosen.log_variance
    found = likelihood.measure(vae, inputs(vae, chosen.images), *posteriors, random, [samples])
    return metrics["elbo"], found[f"log_likelihood_{samples}"]


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """One row for each model and library."""
    images = np.load(options.images)[..., None]
    order = np.random.default_rng(0).permutation(len(images))
    test, training = np.split(images[order], [len(images) // 5])
    for model in ("vae", "vamp"):
        arch = architecture(model, options.width, options.components)
        # by turns, so that a busy machine slows both alike
        found: dict[str, list[tuple[float, ...]]] = {"rdpipe": [], "pythae": []}
        for seed in range(options.seeds):
            for name, make in (("rdpipe", ours), ("pythae", theirs)):
                vae, speed = make(arch, training, options.steps, seed)
                found[name].append((speed, *measure(vae, test, options.samples)))
        for name, values in found.items():
            speed, elbo, log_p = np.array(values).T
            yield {
                "model": model, "by": name, "seeds": options.seeds,
                "steps_per_second": np.median(speed).item(),
                "elbo": elbo.mean().item(), "elbo_std": elbo.std(ddof=1).item(),
                "log_p": log_p.mean().item(), "log_p_std": log_p.std(ddof=1).item(),
            }  # fmt: skip


def main() -> None:
    """Print one line for each model and library; write them all to --json."""
    options = parser(__doc__)
    options.add_argument("images", type=Path, help="a .npy array, uint8 (N, H, W)")
    options.add_argument("--steps", type=int, default=6000)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--width", type=int, default=512)
    options.add_argument("--components", type=int, default=100, help="pseudo-inputs of VampPrior")
    options.add_argument("--samples", type=int, default=1000, help="behind log p(x)")
    chosen = options.parse_args()
    save(chosen.json, show("VAE and VampPrior, beside pythae's", rows(chosen), COLUMNS))


if __name__ == "__main__":
    main()
