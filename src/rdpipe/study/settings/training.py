"""Block `training` of the config: how every run is trained (Section 4.3)."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from rdpipe.study.settings._base import NEUTRAL, NUMBER, Axis, Count, Model, repeated, unit


class Training(Model):
    """How every run is trained (Section 4.3)."""

    iterations: Annotated[Count, Field(examples=[257000])]
    """Number of Adam steps."""
    checkpoints: Annotated[tuple[Count, ...], Field(examples=[[16000, 64000]])] = ()
    """Earlier iterations at which each run is kept and evaluated as well, in ascending order.
    Tables have rows for each. A checkpoint is the result of a training that ends there."""
    batch_size: Annotated[Count, unit("images"), Field(examples=[128])]
    """Number of images in one step."""
    learning_rate: Annotated[float, Field(gt=0, examples=[0.001]), NUMBER]
    """Learning rate of Adam."""
    precision: Literal["float32", "tf32", "bfloat16", "float64"] = "float32"
    """Floating-point type of parameters and arithmetic. tf32 and bfloat16 round only the factors of
    matrix products, on devices where this is faster (docs/performance.md)."""
    history_every: Annotated[Count, unit("iterations")] = 1000
    """Number of iterations that one row of the training history averages."""
    keep_states: Annotated[bool, NEUTRAL] = False
    """Whether the store keeps Adam's moments with each run. A longer training, which has the old
    end as a checkpoint, then goes on from there. A run takes three times the space."""
    pack: Annotated[tuple[Axis, ...], NEUTRAL, Field(examples=[["beta", "seed"]])] = ()
    """Axes whose runs one job trains together. Use it on GPUs. Result paths stay the same."""
    threads: Annotated[Count, NEUTRAL] = 2
    """Number of CPU threads of a training job."""
    save_every: Annotated[float, NEUTRAL, unit("seconds"), Field(gt=0), NUMBER] = 180.0
    """Time between two saved states. An interrupted training goes on from the last one."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Repeated axes, and checkpoints that do not ascend or lie beyond the end."""
        yield from repeated("pack", self.pack)
        checkpoints = list(self.checkpoints)
        if checkpoints != sorted(set(checkpoints)):
            yield "checkpoints", f"{checkpoints} do not ascend; sort them."
        if max(checkpoints, default=0) >= self.iterations:
            yield (
                "checkpoints",
                f"{max(checkpoints)} is not before the end of training after "
                f"{self.iterations} iterations; leave it out, or raise iterations.",
            )
