"""Architectures and their variants, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from rdpipe.errors import RdpipeError


def by_base(
    archs: Sequence[Mapping[str, Any]], variants: Sequence[str], setting: str
) -> dict[str, dict[str, str]]:
    """The architectures that differ in nothing but their variant.

    Parameters
    ----------
    archs
        Those of an experiment (see `rdpipe.figures`).
    variants
        Which to compare with the plain architecture, "".
    setting
        What of an architecture makes such a variant.

    Returns
    -------
    dict of dict
        By the plain architecture's label: names by variant, of those that have one of `variants`.

    Raises
    ------
    RdpipeError
        If there is none.
    """
    labels = {arch["name"]: arch["label"] for arch in archs}
    found: dict[str, dict[str, str]] = {}
    for arch in archs:
        if arch["variant"] in variants and arch["base"]:
            names = found.setdefault(labels[arch["base"]], {"": arch["base"]})
            names[arch["variant"]] = arch["name"]
    if not found:
        raise RdpipeError(
            f"its experiment has no architecture with {setting} beside the same architecture "
            "without; give it both."
        )
    return found
