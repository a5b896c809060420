"""Block `archs` of the config: networks, and how each is trained (Sections 4.3 to 4.5)."""

from typing import Annotated, Literal

from pydantic import Field

from rdpipe.study.settings._base import MOST, NUMBER, Count, Model


class _Arch(Model):
    """The settings of every architecture."""

    layers: Annotated[Count, Field(le=100)]
    """Number of hidden layers in the encoder. The decoder has the same number."""
    latent: Count = 10
    """Number of dimensions of the latent space."""
    penalty: Literal["rate", "mutual_information", "marginal_kl"] = "rate"
    """The part of the objective that β multiplies: the whole rate, or only one of its two terms
    (Section 4.5). The other term is then left out."""
    early_stopping: Annotated[float, Field(gt=0, lt=1, examples=[0.1]), NUMBER] | None = None
    """Share of the training part that is held out. The training keeps the parameters with the
    lowest objective on this share. With null, it keeps the last parameters."""


class MLP(_Arch):
    """Fully connected encoder and decoder with ReLU (Section 4.3)."""

    kind: Literal["mlp"]
    width: Count = 512
    """Number of units in each hidden layer."""


class CNN(_Arch):
    """Convolutional encoder and decoder with ReLU, kernel 4 and stride 2 (Section 4.3)."""

    kind: Literal["cnn"]
    channels: Count = 64
    """Number of feature maps in each hidden layer."""
    dense: Annotated[int, Field(strict=True, ge=0, le=MOST)] = 0
    """Number of units in a dense layer between the convolutions and the latent space. With 0,
    there is no such layer."""


Arch = Annotated[MLP | CNN, Field(discriminator="kind")]
