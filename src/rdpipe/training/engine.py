"""The steps of training: of many runs at once and, on a GPU, many steps at once.

A step of a small model is over sooner than its kernels can be launched one by one. So on a GPU
whole steps, of all runs together, are captured as CUDA graphs. What a graph reads and writes stays
where it is: parameters, Adam's moments, and buffers for a chunk of steps, with the place in them a
number on the device. A CPU is busy enough with one run, and waits for its memory. So there the runs
take turns within a step: what one run writes is still in the cache when it is read, and each run is
computed as if it were alone, to the last bit. Letters in shapes: R runs, S distinct seeds, B batch,
N examples, P pixels times channels, D latent dimensions.
"""

import ctypes
import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from rdpipe.common.precision import products
from rdpipe.training import objectives
from rdpipe.training.objectives import Objective
from rdpipe.vae import streams
from rdpipe.vae.models import VAE, intensities
from rdpipe.vae.networks import Network
from rdpipe.vae.streams import CHUNK

log = logging.getLogger("rdpipe")

WARM_UP = 3  # steps before they are captured, in which libraries allocate what they keep
CAPTURED = (32, 1)  # steps in each CUDA graph


@contextmanager
def tuned_process(precision: str) -> Iterator[None]:
    """The precision of products, deterministic convolutions on a GPU, and two settings of a CPU.

    The latter make many steps of one size faster.

    Subnormal numbers (float32: below 1e-38) are taken for zero: Adam's moments of weights whose
    gradient has become zero for good (of a dead unit, say) shrink to them and stay there; measured,
    its step is then fifteen times slower. And glibc keeps what is freed, for the next step asks for
    the same sizes again: by default large tensors go back to the system, which clears their pages
    anew in every step, measured at 5 % of a step with 4 runs, 20 % with 12.
    """
    trim_threshold, mmap_max = -1, -4  # malloc.h
    with suppress(OSError, AttributeError):  # not glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(trim_threshold, -1)
        libc.mallopt(mmap_max, 0)
    torch.set_flush_denormal(True)
    cudnn, deterministic = torch.backends.cudnn, torch.backends.cudnn.deterministic
    cudnn.deterministic = True  # else gradients of convolutions may be sums in any order
    try:
        with products(precision):
            yield
    finally:
        torch.set_flush_denormal(False)
        cudnn.deterministic = deterministic


@dataclass(frozen=True)
class Group:
    """Runs whose steps are taken together; their tensors are views of the whole pack's.

    Attributes
    ----------
    objective
        With the β of these runs.
    vae
        The models that are trained.
    exp_avg, exp_avg_sq
        Adam's moments, in the order of the parameters.
    step
        Adam's count of steps, float32, once for each parameter, as PyTorch wants it.
    seeds
        Which of the S seeds' batches these runs take.
    """

    objective: Objective
    vae: VAE
    exp_avg: list[Tensor]
    exp_avg_sq: list[Tensor]
    step: Tensor
    seeds: slice | Tensor

    def take_step(self, x: Tensor, noise: Tensor, learning_rate: float) -> Tensor:
        """One step of Adam with PyTorch's defaults, without waiting for the device.

        Elementwise Adam on stacked runs is one Adam a run. x: intensities (S, B, P), noise
        (S, B, D); returns D, R and the penalty before the step, (3, R).
        """
        batch, parameters = (x[self.seeds], noise[self.seeds]), list(self.vae.parameters.values())
        distortion, rate, penalty = objectives.terms(self.objective, self.vae, *batch)
        # summed, never averaged: each run gets the gradient that it would get alone
        loss = self.objective.total(distortion, penalty).sum()
        gradients = torch.autograd.grad(loss, parameters)
        moments = self.exp_avg, self.exp_avg_sq
        adam_step(parameters, gradients, *moments, list(self.step.unbind()), learning_rate)
        return torch.stack((distortion, rate, penalty)).detach()


@torch.no_grad()
def adam_step(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    exp_avg: Sequence[Tensor],
    exp_avg_sq: Sequence[Tensor],
    steps: Sequence[Tensor],
    learning_rate: float,
) -> None:
    """One step of Adam in place, with PyTorch's defaults; `steps` counts those before, for each."""
    adam(
        list(parameters),
        [g.contiguous() for g in gradients],  # taken to lie as the parameters do
        list(exp_avg), list(exp_avg_sq), [], list(steps),
        fused=True, amsgrad=False, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0,
        lr=learning_rate, maximize=False,
    )  # fmt: skip


class Engine:
    """R runs under training, as they are after some step.

    Parameters
    ----------
    network
        What is trained.
    objective
        What is minimised; its β says where, and in which type.
    pixels
        Examples, uint8 (N, P), on that device.
    seeds
        R seeds; runs of one seed share initial weights, batches and noise.
    batch_size, learning_rate
        Examples in a step, and Adam's learning rate.

    Attributes
    ----------
    vae
        The models under training; their parameters change in place.
    exp_avg, exp_avg_sq
        Adam's moments by name of the parameter, changed in place, too.
    groups
        The runs, in their order, as they are computed: one after another, or on a GPU together.
    capturable
        Whether `advance` captures steps as CUDA graphs: on a GPU, until a capture fails.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        pixels: Tensor,
        seeds: Sequence[int],
        batch_size: int,
        learning_rate: float,
    ) -> None:
        like = objective.beta
        self.vae = VAE.initial(network, seeds, pixels).to(like.device, like.dtype)
        self.exp_avg, self.exp_avg_sq = (
            {name: torch.zeros_like(p) for name, p in self.vae.parameters.items()} for _ in range(2)
        )
        self._pixels, self._learning_rate = pixels, learning_rate
        self._seeds = list(dict.fromkeys(seeds))
        which = [self._seeds.index(seed) for seed in seeds]  # of the S seeds is each run's
        if like.is_cuda:
            alike = len(self._seeds) == 1
            every = slice(0, 1) if alike else torch.tensor(which, device=like.device)
            self.groups = [self._group(objective, slice(None), every)]
        else:
            self.groups = [
                self._group(objective, slice(i, i + 1), slice(seed, seed + 1))
                for i, seed in enumerate(which)
            ]
        shape = (CHUNK, len(self._seeds), batch_size)
        self._rows = torch.zeros(shape, dtype=torch.int64, device=like.device)
        self._noise = like.new_zeros(*shape, network.latent)
        self._values = like.new_zeros(CHUNK, 3, len(seeds))
        self._at = torch.zeros(1, dtype=torch.int64, device=like.device)
        self._loaded: int | None = None  # the chunk in the buffers
        self._graphs: list[tuple[int, torch.cuda.CUDAGraph]] = []
        self.capturable = like.is_cuda

    def _group(self, objective: Objective, runs: slice, seeds: slice | Tensor) -> Group:
        parameters = {name: p[runs].requires_grad_() for name, p in self.vae.parameters.items()}
        return Group(
            replace(objective, beta=objective.beta[runs]),
            VAE(self.vae.network, parameters),
            [moment[runs] for moment in self.exp_avg.values()],
            [moment[runs] for moment in self.exp_avg_sq.values()],
            torch.zeros(len(parameters), device=objective.beta.device),
            seeds,
        )

    def advance(self, step: int, steps: int, seconds: float = math.inf) -> Tensor:
        """Take up to `steps` steps from the one numbered `step` on, counted from 0.

        On a CPU fewer, but one at least, once `seconds` are over; a GPU is not waited for.

        Returns
        -------
        Tensor
            D, R and the penalty in each step taken [nats], (steps taken, 3, R).
        """
        deadline = time.monotonic() + seconds
        parts: list[Tensor] = []
        while steps and (not parts or time.monotonic() < deadline):
            chunk, at = divmod(step, CHUNK)
            self._load(chunk)
            self._at.fill_(at)
            for group in self.groups:
                group.step.fill_(step)
            left = min(steps, CHUNK - at)
            if self._graphs:
                taken = self._replay(left)
            elif self.capturable:
                taken = self._warm_up(min(left, WARM_UP))
            else:
                taken = self._take(left, deadline)
            parts.append(self._values[at : at + taken].clone())
            step, steps = step + taken, steps - taken
        return torch.cat(parts)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Intensities (S, B, P) and noise (S, B, D) of the next step, for each seed."""
        rows, noise = (part.index_select(0, self._at)[0] for part in (self._rows, self._noise))
        return intensities(self._pixels[rows], noise.dtype), noise

    def step(self) -> None:
        """Take the next step of every run, without waiting for the device.

        `advance` calls it, after it has loaded what the step needs.
        """
        x, noise = self.batch()
        values = [group.take_step(x, noise, self._learning_rate) for group in self.groups]
        self._values.index_copy_(0, self._at, torch.cat(values, 1)[None])
        self._at += 1

    def _load(self, chunk: int) -> None:
        """Fill the buffers with what a chunk's steps need."""
        if chunk == self._loaded:
            return
        batch_size, latent = self._noise.shape[2:]
        rows = [streams.rows(seed, chunk, len(self._pixels), batch_size) for seed in self._seeds]
        noise = [streams.noise(seed, chunk, batch_size, latent) for seed in self._seeds]
        for buffer, parts in ((self._rows, rows), (self._noise, noise)):
            drawn = torch.from_numpy(np.stack(parts, axis=1))
            # from pinned memory a copy waits in line on the GPU, and not here
            buffer.copy_(drawn.pin_memory() if buffer.is_cuda else drawn, non_blocking=True)
        self._loaded = chunk

    def _take(self, count: int, deadline: float) -> int:
        """Take up to `count` steps one by one; how many."""
        taken = 0
        while taken < count and (taken == 0 or time.monotonic() < deadline):
            self.step()
            taken += 1
        return taken

    def _warm_up(self, count: int) -> int:
        """Take `count` steps on the stream that is then captured: libraries keep things by it."""
        current, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(count):
                self.step()
        current.wait_stream(aside)
        self._capture(aside)
        return count

    def _replay(self, count: int) -> int:
        """Take `count` steps by launching graphs, the longest first."""
        left = count
        for size, graph in self._graphs:
            for _ in range(left // size):
                graph.replay()
            left %= size
        return count

    def _capture(self, stream: torch.cuda.Stream) -> None:
        """Capture steps as graphs, without taking them."""
        current, pool, graphs = torch.cuda.current_stream(), torch.cuda.graph_pool_handle(), []
        try:
            for size in CAPTURED:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, pool=pool, stream=stream):
                    for _ in range(size):
                        self.step()
                graphs.append((size, graph))
        except RuntimeError as error:
            # where a capture ends badly, torch says no more than that and leaves the other stream
            torch.cuda.set_stream(current)
            cause = error.__context__ or error
            if isinstance(cause, torch.OutOfMemoryError):
                raise cause from None
            log.warning("steps are launched one by one, as CUDA graphs failed (%s)", cause)
            self.capturable = False
        else:
            self._graphs = graphs
