"""A trained VAE for people: NumPy arrays in, NumPy arrays out.

Letters in shapes: N images of H × W pixels and C channels, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json
from rdpipe.vae import networks
from rdpipe.vae.models import VAE, intensities

BLOCK = 1024  # images that pass through the network at a time


class Posterior(NamedTuple):
    """Normal distributions q(z|x) of images.

    Attributes
    ----------
    mean
        float32 (N, D).
    std
        float32 (N, D): the standard deviation of each latent dimension.
    """

    mean: np.ndarray
    std: np.ndarray

    def sample(self, random: np.random.Generator) -> np.ndarray:
        """One z of each image, (N, D)."""
        return self.mean + self.std * random.standard_normal(self.mean.shape, np.float32)


@dataclass(frozen=True)
class Model:
    """A trained VAE.

    Attributes
    ----------
    vae
        The same model for tensors, which have a leading axis of runs (see `rdpipe.vae.models`).
    """

    vae: VAE

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The model of a run's folder, from its run.json and model.safetensors, on the CPU.

        Raises
        ------
        RdpipeError
            If the run diverged: its parameters are not finite.
        """
        record = read_json(folder / "run.json")
        if record["status"] != "finished":
            raise RdpipeError(
                f"{folder}: this run diverged at iteration {record['diverged_at']}, so it has no "
                "model; choose another run."
            )
        network = networks.build(record["arch"], record["image_shape"])
        parameters = load_file(folder / "model.safetensors")
        return cls(VAE(network, {name: one[None] for name, one in parameters.items()}))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of its images."""
        return self.vae.network.image_shape

    @property
    def latent(self) -> int:
        """Number of latent dimensions D."""
        return self.vae.network.latent

    def to(self, device: str) -> Model:
        """The same model on another device, such as "cuda"."""
        return Model(self.vae.to(device))

    def encode(self, images: np.ndarray) -> Posterior:
        """Encode images.

        Parameters
        ----------
        images
            uint8 (N, H, W, C), or floats from 0 to 1.

        Returns
        -------
        Posterior
            The mean and the standard deviation of q(z|x), (N, D) each.

        Raises
        ------
        RdpipeError
            If the images have another shape than those that the model was trained on.
        """
        if images.shape[1:] != self.image_shape:
            raise RdpipeError(
                f"images have shape {images.shape}, but this model takes (N, "
                f"{', '.join(map(str, self.image_shape))})."
            )
        pixels = torch.from_numpy(np.ascontiguousarray(images)).flatten(1)
        mean, log_variance = self._in_blocks(self._encode, pixels)
        return Posterior(mean, np.exp(log_variance / 2))

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Decode latent codes (N, D): the mean image of each, float32 (N, H, W, C), from 0 to 1.

        Raises
        ------
        RdpipeError
            If the codes have another number of dimensions than the model.
        """
        if z.shape[1:] != (self.latent,):
            raise RdpipeError(
                f"codes have shape {z.shape}, but this model takes (N, {self.latent})."
            )
        (pixels,) = self._in_blocks(self._decode, torch.from_numpy(np.ascontiguousarray(z)))
        return pixels.reshape(-1, *self.image_shape)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """What the decoder makes of the posterior means of images; shapes as in both."""
        return self.decode(self.encode(images).mean)

    def _encode(self, pixels: Tensor) -> tuple[Tensor, ...]:
        whole = pixels.dtype == torch.uint8
        x = intensities(pixels, self.vae.dtype) if whole else pixels.to(self.vae.dtype)
        return tuple(one[0] for one in self.vae.encode(x[None]))

    def _decode(self, z: Tensor) -> tuple[Tensor, ...]:
        outputs = self.vae.decode(z.to(self.vae.dtype)[None])
        return (self.vae.network.likelihood.mean(outputs[0]),)

    @torch.inference_mode()
    def _in_blocks(
        self, function: Callable[[Tensor], tuple[Tensor, ...]], rows: Tensor
    ) -> list[np.ndarray]:
        blocks = [function(block.to(self.vae.device)) for block in rows.split(BLOCK)]
        return [torch.cat(parts).float().cpu().numpy() for parts in zip(*blocks, strict=True)]
