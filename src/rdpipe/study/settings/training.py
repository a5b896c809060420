"""Block `training` of the config: how every run is trained (Section 4.3)."""

from typing import Literal

from pydantic import (
    PositiveFloat,
    PositiveInt,
)

from rdpipe.study.settings._base import Axis, Model


class Training(Model):
    """How every run is trained (Section 4.3)."""

    iterations: PositiveInt
    """Number of Adam steps."""
    batch_size: PositiveInt
    """Examples in a step."""
    learning_rate: PositiveFloat
    """Adam's learning rate."""
    precision: Literal["float32", "tf32", "bfloat16", "float64"] = "float32"
    """Floating-point type of parameters and arithmetic; tf32 and bfloat16 are float32 but for the
    factors of matrix products, rounded where the device is faster for it (docs/performance.md)."""
    history_every: PositiveInt = 1000
    """Iterations that are averaged into one row of the training history."""
    pack: tuple[Axis, ...] = ()
    """Runs that differ only in these axes are trained together by one job. Results keep their
    places, and switching retrains nothing."""
    threads: PositiveInt = 2
    """CPU threads of a training job."""
    save_every: PositiveFloat = 180.0
    """Seconds between the saved states from which an interrupted training goes on."""
