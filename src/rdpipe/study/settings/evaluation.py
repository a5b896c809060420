"""Block `evaluation` of the config: the measurements on every run (Sections 4.4 and 4.5)."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from rdpipe.study.settings._base import MOST, NEUTRAL, Axis, Count, Model, Seed, repeated, unit

AtLeastTwo = Annotated[int, Field(strict=True, ge=2, le=MOST)]


class Evaluation(Model):
    """The measurements on every trained run."""

    examples: Annotated[Count, unit("images")] = 8
    """Number of difficult test images whose reconstructions are kept."""
    outer: Annotated[AtLeastTwo, unit("images")] = 4096
    """Number of training images behind the estimates of mutual information and marginal KL."""
    batch: Annotated[AtLeastTwo, unit("images")] = 512
    """Batch size of the paper's own estimate of these two (Section 4.5). At most `outer`."""
    seed: Seed = 0
    """Seed of the posterior samples and of the choice of images. All runs share it."""
    memorization_images: Annotated[Count, unit("images")] = 2048
    """Number of images of each part on which memorisation and the optimal decoder are measured."""
    likelihood_images: Annotated[AtLeastTwo, unit("images")] = 2000
    """Number of images of each part whose log p(x) is estimated."""
    likelihood_samples: tuple[Count, ...] = (100, 1000, 5000)
    """Numbers of importance samples behind an estimate of log p(x), in ascending order. With an
    empty list, log p(x) is not estimated. On a CPU it is most of an evaluation's work."""
    pack: Annotated[tuple[Axis, ...], NEUTRAL, Field(examples=[["beta", "seed"]])] = ()
    """Axes whose runs one job evaluates together."""
    threads: Annotated[Count, NEUTRAL] = 2
    """Number of CPU threads of an evaluation job."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """A batch larger than `outer`, samples that do not ascend, and repeated axes."""
        if self.batch > self.outer:
            yield (
                "batch",
                f"{self.batch} samples are more than evaluation.outer = {self.outer} gives; "
                "lower it, or raise outer.",
            )
        samples = self.likelihood_samples
        if list(samples) != sorted(set(samples)):
            yield "likelihood_samples", f"{list(samples)} do not ascend; sort them."
        yield from repeated("pack", self.pack)
