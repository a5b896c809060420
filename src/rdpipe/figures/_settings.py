"""Architectures that differ in one setting or several: which panel each is in, and its label.

A panel has architectures of one kind, depth and likelihood. Likelihoods stand apart because their
distortions cannot be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.colors import to_hex

from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _style
from rdpipe.figures._labels import Arch


@dataclass(frozen=True)
class Family:
    """Architectures of one panel: what they share, in words, and each with label and colour."""

    title: str
    members: Sequence[tuple[Arch, str, str]]


def families(archs: Sequence[Arch]) -> list[Family]:
    """The families of an experiment's architectures, in the order of their first members.

    One label has one colour in all families. Latent dimensions are shades of one colour.

    Raises
    ------
    RdpipeError
        If there are more labels than colours that can be told apart.
    """
    several = len({arch.likelihood for arch in archs}) > 1
    found: dict[tuple[str, int, str], list[Arch]] = {}
    for arch in archs:
        found.setdefault((arch.kind, arch.layers, arch.likelihood), []).append(arch)
    labels = {arch.name: _label(arch, archs) for arch in archs}
    colours = _colours(list(dict.fromkeys(labels.values())), archs)
    return [
        Family(
            f"{layers}-layer {kind.upper()}" + f", {_words(likelihood)}" * several,
            [(arch, labels[arch.name], colours[labels[arch.name]]) for arch in members],
        )
        for (kind, layers, likelihood), members in found.items()
    ]


def _words(likelihood: str) -> str:
    return likelihood.replace("_", " ")


def _label(arch: Arch, archs: Sequence[Arch]) -> str:
    """What tells an architecture from the others of its family."""
    words = []
    if len({one.prior for one in archs}) > 1:
        words.append(f"{arch.prior} prior")
    if len({one.latent for one in archs}) > 1:
        words.append(f"{arch.latent} dimensions")
    others = [word for word in arch.variant.split(", ") if not word.endswith((" prior", "lihood"))]
    plain = f"{arch.layers}-layer {arch.kind.upper()}"
    return ", ".join(filter(None, [*words, *others])) or plain


def _colours(labels: Sequence[str], archs: Sequence[Arch]) -> dict[str, str]:
    if len({arch.latent for arch in archs}) == len(labels) > 1:
        shades = colormaps["viridis"]
        return {
            label: to_hex(shades(0.9 - 0.8 * i / (len(labels) - 1)))
            for i, label in enumerate(labels)
        }
    if len(labels) > len(_style.COLOURS):
        raise RdpipeError(
            f"its experiment has architectures of {len(labels)} different settings, but only "
            f"{len(_style.COLOURS)} colours can be told apart; give it fewer."
        )
    return dict(zip(labels, _style.COLOURS, strict=False))
