"""The sizes that square images can be brought to. Without NumPy: reading the config asks, too."""

from rdpipe.common.errors import RdpipeError


def check_side(side: int | None, native: int) -> None:
    """Refuse a side in pixels that `_size.resized` cannot make, with an RdpipeError.

    `native` is the side that the images have. None stands for the native side.
    """
    if side is None or side == native:
        return
    if side > native and (side - native) % 2 == 0:
        return
    if 0 < side < native and native % side == 0:
        return
    smaller = [str(k) for k in range(1, native) if native % k == 0]
    raise RdpipeError(
        f"images of {native} × {native} pixels cannot be brought to {side}; give a divisor "
        f"({', '.join(smaller)}), {native} and any even number more, or null for {native}."
    )
