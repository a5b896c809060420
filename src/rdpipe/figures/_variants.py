"""Architectures and their variants, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.typing import ColorType

from rdpipe.common.errors import RdpipeError
from rdpipe.figures._rd_plane import Panel, pair


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


def panels(
    summary: pd.DataFrame,
    labels: Mapping[str, str],
    bases: Mapping[str, Mapping[str, str]],
    looks: Mapping[str, tuple[str, ColorType]],
) -> list[list[Panel]]:
    """One row a split, by its label, of a panel for each plain architecture with its variants.

    `bases` is what `by_base` returns; `looks` has the label and colour of each variant.
    """
    return [
        [
            Panel(
                f"{label}, {base}",
                [
                    curve
                    for variant, arch in names.items()
                    for curve in pair(summary, split, arch, *looks[variant])
                ],
            )
            for base, names in bases.items()
        ]
        for split, label in labels.items()
    ]
