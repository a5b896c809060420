"""Architectures beside their variants: other objectives, or early stopping."""

from collections.abc import Mapping, Sequence

from matplotlib.typing import ColorType

from rdpipe.common.errors import RdpipeError
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._labels import Arch
from rdpipe.figures._rd_curves import pair
from rdpipe.figures._rd_pages import Panel


def panels(
    experiment: Experiment, looks: Mapping[str, tuple[str, ColorType]], setting: str
) -> list[list[Panel]]:
    """One row for each split, with a panel for each plain architecture and its variants.

    Parameters
    ----------
    experiment
        The experiment; its architectures without any of the variants are left out.
    looks
        The label and the colour of the plain architecture, "", and of each variant to show.
    setting
        The setting that makes such a variant, for the error.

    Raises
    ------
    RdpipeError
        If no architecture stands beside such a variant of itself.
    """
    families = _families(experiment.archs, [variant for variant in looks if variant])
    if not families:
        raise RdpipeError(
            f"its experiment has no architecture with {setting} beside the same architecture "
            "without; give it both."
        )
    return [
        [
            Panel(
                f"{split.label}, {family[0].label}",
                [
                    curve
                    for arch in family
                    for curve in pair(experiment, split, arch, *looks[arch.variant])
                ],
            )
            for family in families
        ]
        for split in experiment.splits
    ]


def _families(archs: Sequence[Arch], variants: Sequence[str]) -> list[list[Arch]]:
    """Each plain architecture that has one of the variants, followed by these variants."""
    plain = {arch.name: arch for arch in archs if not arch.variant}
    families: dict[str, list[Arch]] = {}
    for arch in archs:
        if arch.variant in variants and arch.base is not None:
            families.setdefault(arch.base, [plain[arch.base]]).append(arch)
    return [*families.values()]
