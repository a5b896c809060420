"""Architectures and their variants, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from rdpipe.errors import RdpipeError


def by_base(
    figure: str, archs: Sequence[Mapping[str, Any]], variants: Sequence[str], setting: str
) -> dict[str, dict[str, str]]:
    """The architectures that differ in nothing but their variant.

    Parameters
    ----------
    figure
        The figure's name.
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
    bases: dict[str, dict[str, str]] = {}
    for variant in ("", *variants):
        for arch in archs:
            if arch["variant"] == variant:
                base = arch["label"].removesuffix(f", {variant}")
                bases.setdefault(base, {})[variant] = arch["name"]
    found = {base: names for base, names in bases.items() if names.keys() & {*variants}}
    if not found:
        raise RdpipeError(
            f"figures.{figure}: its experiment has no architecture with {setting}; "
            "give it one, beside the same architecture without."
        )
    return found
