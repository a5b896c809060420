"""Block `evaluation` of the config: what is measured on every run (Sections 4.4 and 4.5)."""

from typing import Annotated

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
)

from rdpipe.study.settings._base import Axis, Model


class Evaluation(Model):
    """What is measured on each trained run."""

    examples: PositiveInt = 8
    """Difficult test examples whose reconstructions are kept."""
    outer: Annotated[int, Field(ge=2)] = 4096
    """Training examples over which mutual information and marginal KL are averaged."""
    batch: Annotated[int, Field(ge=2)] = 512
    """Batch size of the paper's own estimate of the two (Section 4.5)."""
    seed: NonNegativeInt = 0
    """Seed of the posterior samples and of the choice of examples, the same for all runs."""
    memorization_images: PositiveInt = 2048
    """Examples of each part on which memorisation and the optimal decoder are measured."""
    likelihood_images: Annotated[int, Field(ge=2)] = 2000
    """Examples of each part whose log p(x) is estimated."""
    likelihood_samples: tuple[PositiveInt, ...] = (100, 1000, 5000)
    """Numbers of importance samples behind an estimate of log p(x); an empty list leaves log p(x)
    out, which on a CPU is most of an evaluation's work."""
    pack: tuple[Axis, ...] = ()
    """Runs that differ only in these axes are evaluated by one job."""
    threads: PositiveInt = 2
    """CPU threads of an evaluation job."""
