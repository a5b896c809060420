"""Block `archs` of the config: networks, and how each is trained (Sections 4.3 to 4.5)."""

from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
)

from rdpipe.study.settings._base import Model


class _Arch(Model):
    """What every architecture has."""

    layers: PositiveInt
    """Number of hidden layers in the encoder, and in the decoder."""
    latent: PositiveInt = 10
    """Dimension of the latent space."""
    penalty: Literal["rate", "mutual_information", "marginal_kl"] = "rate"
    """What β multiplies in the objective: the rate, or one of its two terms alone (Section 4.5)."""
    early_stopping: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the training part that is held out: the parameters with the lowest objective on it
    are kept. Without it, the last are."""


class MLP(_Arch):
    """Fully connected encoder and decoder with ReLU (Section 4.3)."""

    kind: Literal["mlp"]
    width: PositiveInt = 512
    """Units of each hidden layer."""


class CNN(_Arch):
    """Convolutional encoder and decoder with ReLU, kernel 4 and stride 2 (Section 4.3)."""

    kind: Literal["cnn"]
    channels: PositiveInt = 64
    """Feature maps of each hidden layer."""
    dense: NonNegativeInt = 0
    """Units of a dense layer between the convolutions and the latent space; 0 for none."""


Arch = Annotated[MLP | CNN, Field(discriminator="kind")]
