"""The contenders of `train_throughput`: ways to train the paper's networks, and a machine's bounds.

A contender is a function of a `Task`. It returns a function that trains for a number of steps. All
contenders train on the same random images, with batches of 128 and Adam at PyTorch's defaults.
"""

import logging
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from rdpipe.common.precision import products
from rdpipe.training.engine import Engine, adam_step, tuned_process
from rdpipe.training.objectives import Objective
from rdpipe.vae import costs, networks
from rdpipe.vae.cnn import KERNEL, PADDING, STRIDE, Convolution
from rdpipe.vae.likelihoods import bernoulli
from rdpipe.vae.networks import Dense, Layer, Network

SHAPE, BATCH, LEARNING_RATE = (32, 32, 3), 128, 1e-3
EXAMPLES = 8192
BETAS = 12  # of each seed in a pack: 12 runs are an RD curve, 60 are five
PRODUCT_SIZE = {"cpu": 2048, "cuda": 8192}  # of the square matrices whose product is the peak
SLOW_SIZE = 256  # where a product of the size above would take a minute: see `product_size`
SMALLEST_SUM = {"cpu": 0, "cuda": 2**26}  # numbers; below that, launching it takes the time

Advance = Callable[[int], Any]
"""Takes a number of steps; on a GPU it need not wait for them."""


@dataclass(frozen=True)
class Task:
    """What one contender is to do."""

    method: str
    arch: str
    runs: int
    precision: str
    device: torch.device
    width: int = 512

    @property
    def network(self) -> Network:
        """That of the architecture."""
        return build(self.arch, self.width)

    @property
    def dtype(self) -> torch.dtype:
        """Type of parameters and images."""
        return torch.float64 if self.precision == "float64" else torch.float32


def architecture(name: str, width: int = 512) -> dict[str, Any]:
    """mlp-1 has one layer of `width` units, cnn-3 three convolutions to an eighth as many maps."""
    kind, layers = name.split("-")
    sizes = {"width": width, "channels": width // 8, "dense": 0, "latent": 10}
    rest = {"penalty": "rate", "early_stopping": None}
    return {"kind": kind, "layers": int(layers), **sizes, **rest}


def build(arch: str, width: int = 512) -> Network:
    """The network of an architecture for the random images; the paper's width is 512."""
    return networks.build(architecture(arch, width), SHAPE)


def random_images() -> np.ndarray:
    """Noise, uint8 (N, H, W, C)."""
    return np.random.default_rng(0).integers(0, 256, (EXAMPLES, *SHAPE), dtype=np.uint8)


def intensities() -> Tensor:
    """The same as PyTorch's modules take it, float32 (N, C, H, W) in [0, 1]."""
    return torch.from_numpy(random_images()).permute(0, 3, 1, 2).contiguous() / 255


def module(layer: Layer) -> nn.Module:
    """A layer as one would write it for a single run, with images in PyTorch's order."""
    if isinstance(layer, Convolution):
        kind = nn.ConvTranspose2d if layer.grows else nn.Conv2d
        sizes = (KERNEL, STRIDE, PADDING)
        return kind(layer.inputs[-1], layer.outputs[-1], *sizes)
    *sides, channels = layer.outputs
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(layer.inputs), math.prod(layer.outputs)),
        nn.Unflatten(1, (channels, *sides)),
    )


class PlainVAE(nn.Module):
    """The model as one would write it for a single run."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        heads = Dense("heads", network.mean.inputs, (2 * network.latent,))

        def hidden(layers: Sequence[Layer]) -> list[nn.Module]:
            return [m for layer in layers for m in (module(layer), nn.ReLU())]

        self.encoder = nn.Sequential(*hidden(network.encoder), module(heads))
        self.decoder = nn.Sequential(*hidden(network.decoder), module(network.output))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, mean and log-variance."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        return self.decoder(z), mean, log_variance


def loss(model: Callable[[Tensor], tuple[Tensor, ...]], x: Tensor, beta: float | Tensor) -> Tensor:
    """D + βR of a batch."""
    logits, mean, log_variance = model(x)
    distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / BATCH
    rate = -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp()) / BATCH
    return distortion + beta * rate


def endless_batches(device: torch.device) -> Iterator[Tensor]:
    """Batches of PyTorch's own loader, epoch after epoch."""
    dataset = TensorDataset(intensities())
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, drop_last=True)
    while True:
        yield from (x.to(device) for (x,) in loader)


def plain(task: Task) -> Advance:
    """The loop that a competent researcher would write for one run: PyTorch's modules and defaults.

    Whether images are flattened for MLPs beforehand or, as here, by the first layer makes no
    difference. What once seemed to be one was the memory allocator's: glibc gives large blocks back
    to the system until one as large has been freed, so a loop may, by what its process did before,
    fault in 2,300 pages anew in every step (measured: 14 % more time on one core). Here freed
    memory is kept for all contenders alike, which is the better of the two for this loop.
    """
    model = PlainVAE(task.network).to(task.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    batches = endless_batches(task.device)

    def advance(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss(model, next(batches), 1.0).backward()
            optimizer.step()

    return advance


def vmapped(task: Task) -> Advance:
    """The same model for R values of β by `torch.func.vmap`, with Adam on stacked parameters."""
    parameters, _ = stack_module_state([PlainVAE(task.network) for _ in range(task.runs)])
    parameters = {name: p.detach().to(task.device) for name, p in parameters.items()}
    optimizer = torch.optim.Adam(parameters.values(), lr=LEARNING_RATE)
    skeleton = PlainVAE(task.network).to("meta")
    beta = torch.linspace(0.1, 1, task.runs, device=task.device)
    batches = endless_batches(task.device)

    def loss_of_run(parameters: dict[str, Tensor], beta: Tensor, x: Tensor) -> Tensor:
        return loss(lambda x: functional_call(skeleton, parameters, (x,)), x, beta)

    gradients = vmap(grad(loss_of_run), in_dims=(0, 0, None), randomness="different")

    def advance(steps: int) -> None:
        for _ in range(steps):
            for name, gradient in gradients(parameters, beta, next(batches)).items():
                parameters[name].grad = gradient
            optimizer.step()

    return advance


def pythae(task: Task) -> Advance:
    """One run by pythae 0.1.2's own trainer, with the modules of `plain`."""
    from pythae.data.datasets import BaseDataset, collate_dataset_output
    from pythae.models import BetaVAE, BetaVAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable()
    model = PlainVAE(task.network)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = model.encoder

        def forward(self, x: Tensor) -> Any:
            mean, log_variance = self.layers(x).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = model.decoder

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))

    height, width, channels = SHAPE
    config = BetaVAEConfig(
        input_dim=(channels, height, width), latent_dim=task.network.latent,
        reconstruction_loss="bce", beta=1.0,
    )  # fmt: skip
    dataset = BaseDataset(intensities(), torch.zeros(EXAMPLES))
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder, per_device_train_batch_size=BATCH, learning_rate=LEARNING_RATE,
            no_cuda=task.device.type == "cpu",
        )  # fmt: skip
        trainer = BaseTrainer(
            BetaVAE(config, Encoder(), Decoder()), dataset, training_config=settings
        )
        trainer.prepare_training()
    trainer.callback_handler.callbacks.clear()  # progress bars, which would be mixed into the table

    def advance(steps: int) -> None:
        """An epoch of so many steps."""
        sampler = RandomSampler(dataset, num_samples=steps * BATCH)
        trainer.train_loader = DataLoader(
            dataset, BATCH, sampler=sampler, collate_fn=collate_dataset_output
        )
        trainer.train_step(epoch=1)

    return advance


def new_engine(task: Task) -> Engine:
    """The engine of this project with R runs, before its first step."""
    seeds = [run // BETAS for run in range(task.runs)]
    beta = torch.linspace(0.1, 1, task.runs, dtype=task.dtype, device=task.device)
    pixels = torch.from_numpy(random_images()).flatten(1).to(task.device)
    objective = Objective("rate", beta, EXAMPLES)
    return Engine(task.network, objective, pixels, seeds, BATCH, LEARNING_RATE)


def rdpipe(task: Task) -> Advance:
    """R runs by the engine of this project."""
    engine = new_engine(task)
    taken = 0

    def advance(steps: int) -> None:
        nonlocal taken
        with tuned_process(task.precision):
            engine.advance(taken, steps)
        taken += steps

    return advance


def product_size(task: Task) -> int:
    """Side of the square matrices whose product is the machine's peak.

    A CPU without instructions for bfloat16 multiplies such matrices number by number. One product
    of the usual size takes a minute there, and a small one has the same speed.
    """
    kind, slow = task.device.type, task.precision == "bfloat16"
    if kind == "cpu" and slow and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return min(SLOW_SIZE, PRODUCT_SIZE[kind])
    return PRODUCT_SIZE[kind]


def matrix_products(task: Task) -> Advance:
    """Square products, whose speed is a machine's peak at a precision."""
    n = product_size(task)
    dtype = torch.bfloat16 if task.precision == "bfloat16" else task.dtype
    a, b = torch.rand(2, n, n, device=task.device).to(dtype)
    out = torch.empty_like(a)

    def advance(steps: int) -> None:
        with products(task.precision):
            for _ in range(steps):
                torch.mm(a, b, out=out)

    return advance


def numbers_added(task: Task) -> int:
    """How many numbers each of the tensors in `sums` has.

    Both together are as large as parameters, gradients and both moments of all runs: what fits a
    cache here does so there.
    """
    parameters = costs.parameters(task.network)
    return max(2 * task.runs * parameters, SMALLEST_SUM[task.device.type])


def sums(task: Task) -> Advance:
    """Additions in place, a += b, whose speed is a machine's memory bandwidth.

    Like Adam they read and write what they change. A copy does not: on a CPU it first reads what it
    is going to overwrite, and would make the bandwidth a third too low.
    """
    a, b = torch.rand(2, numbers_added(task), device=task.device)

    def advance(steps: int) -> None:
        for _ in range(steps):
            a.add_(b)

    return advance


def own_products(task: Task) -> Advance:
    """The matrix products of a step and nothing else, in the shapes that dense layers give them.

    Weights are each run's own, and as far from the processor as in training; what layers hand on,
    and the memory of gradients, is used again by the next run.
    """
    together = runs_together(task)

    def random(*shape: int) -> Tensor:
        return torch.rand(together, *shape, device=task.device, dtype=task.dtype)

    layers = list(task.network.layers())
    sizes = [(math.prod(layer.inputs), math.prod(layer.outputs)) for layer in layers]
    weights = [[random(*size) for size in sizes] for _ in range(task.runs // together)]
    gradients = [random(*size) for size in sizes]
    inputs, outputs = ([random(BATCH, size[side]) for size in sizes] for side in (0, 1))
    like_inputs, like_outputs = ([torch.empty_like(x) for x in xs] for xs in (inputs, outputs))

    def advance(steps: int) -> None:
        with products(task.precision):
            for step in range(steps * len(weights)):
                for layer, weight in enumerate(weights[step % len(weights)]):
                    x, y = inputs[layer], outputs[layer]
                    torch.bmm(x, weight, out=like_outputs[layer])
                    torch.bmm(x.mT, y, out=gradients[layer])
                    if layer:  # images need no gradient
                        torch.bmm(y, weight.mT, out=like_inputs[layer])

    return advance


def own_adam(task: Task) -> Advance:
    """The engine's steps of Adam and nothing else."""
    together = runs_together(task)
    shapes = [shape for layer in task.network.layers() for shape in (layer.weight, layer.bias)]

    def zeros() -> list[Tensor]:
        return [torch.zeros(together, *s, device=task.device, dtype=task.dtype) for s in shapes]

    runs = [(zeros(), zeros(), zeros()) for _ in range(task.runs // together)]
    gradients = [gradient.add_(0.01) for gradient in zeros()]
    counts = [torch.ones((), device=task.device) for _ in shapes]

    def advance(steps: int) -> None:
        for step in range(steps * len(runs)):
            parameters, *moments = runs[step % len(runs)]
            adam_step(parameters, gradients, *moments, counts, LEARNING_RATE)

    return advance


def own_loss(task: Task) -> Advance:
    """The distortion of a step and its gradient by the logits, and nothing else."""
    together, pixels = runs_together(task), math.prod(SHAPE)
    x = torch.rand(1, BATCH, pixels, device=task.device, dtype=task.dtype)
    logits = torch.randn(together, BATCH, pixels, device=task.device, dtype=task.dtype)
    logits.requires_grad_()

    def advance(steps: int) -> None:
        for _ in range(steps * (task.runs // together)):
            nats = bernoulli.nats(logits, x.expand_as(logits))
            torch.autograd.grad((nats.sum((1, 2)) / BATCH).sum(), logits)

    return advance


def runs_together(task: Task) -> int:
    """How many runs the engine takes at once: on a CPU, one after the other."""
    return task.runs if task.device.type == "cuda" else 1


METHODS: dict[str, Callable[[Task], Advance]] = {
    "products": matrix_products,
    "sums": sums,
    "own products": own_products,
    "own Adam": own_adam,
    "own loss": own_loss,
    "plain loop": plain,
    "pythae": pythae,
    "vmap": vmapped,
    "rdpipe": rdpipe,
}
