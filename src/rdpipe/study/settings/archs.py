"""Block `archs` of the config: networks, and how each is trained (Sections 4.3 to 4.5)."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from rdpipe.study.settings._base import MOST, NUMBER, Count, Model, Name


class Standard(Model):
    """The standard normal prior of the paper. The rate has a closed form."""

    kind: Literal["standard"]


class Mixture(Model):
    """A mixture of Gaussians with learned weights, means and variances."""

    kind: Literal["mixture"]
    components: Count = 500
    """Number of Gaussians."""


class Vamp(Model):
    """VampPrior: the mean of the posteriors of learned pseudo-inputs."""

    kind: Literal["vamp"]
    components: Count = 500
    """Number of pseudo-inputs. They start as training images, so there must be as many of these."""


class Flow(Model):
    """A RealNVP flow from codes to a standard normal distribution. It needs `latent` ≥ 2."""

    kind: Literal["flow"]
    layers: Count = 6
    """Number of coupling layers."""
    width: Count = 64
    """Number of hidden units in each coupling layer."""


def _kind(prior: Any) -> Any:
    """A name alone stands for a prior of this kind with its defaults."""
    return {"kind": prior} if isinstance(prior, str) else prior


Prior = Annotated[Standard | Mixture | Vamp | Flow, Field(discriminator="kind")]
Likelihood = Literal["bernoulli", "continuous_bernoulli", "gaussian"]


class _Arch(Model):
    """The settings of every architecture."""

    layers: Annotated[Count, Field(le=100)]
    """Number of hidden layers in the encoder. The decoder has the same number."""
    latent: Count = 10
    """Number of dimensions of the latent space."""
    penalty: Literal["rate", "mutual_information", "marginal_kl"] = "rate"
    """The part of the objective that β multiplies: the whole rate, or only one of its two terms
    (Section 4.5). The other term is then left out."""
    prior: Annotated[
        Prior,
        BeforeValidator(_kind, json_schema_input_type=Prior | Name),
        Field(examples=[{"kind": "mixture", "components": 100}]),
    ] = Standard(kind="standard")
    """The prior p(z). The name of a kind alone, as in `prior: flow`, stands for its defaults."""
    likelihood: Likelihood = "bernoulli"
    """The likelihood of images given codes. That of the paper is bernoulli. The other two are
    densities. Distortions of different likelihoods, all in nats, cannot be compared."""
    early_stopping: Annotated[float, Field(gt=0, lt=1, examples=[0.1]), NUMBER] | None = None
    """Share of the training part that is held out. The training keeps the parameters with the
    lowest objective on this share. With null, it keeps the last parameters."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """A flow in one dimension."""
        if self.prior.kind == "flow" and self.latent < 2:
            yield (
                "prior",
                "a flow changes one half of the latent dimensions at a time, but latent = 1; "
                "raise latent, or take a mixture.",
            )


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
