"""Splits and architectures as figures call them: labels from the facts that the plan passes."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.typing import ColorType

SPLIT_KINDS = {"cv": "CV", "cd": "CD", "checkerboard": "Checkerboard"}
"""Each kind of split in a few letters."""

PAPERS_OWN = "Tetrominoes"  # labels of splits leave this dataset out
DATASETS = {
    "tetrominoes": PAPERS_OWN,
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "smallnorb": "SmallNORB",
    "shapes3d": "3dShapes",
    "dsprites": "dSprites",
    "cifar10": "CIFAR-10",
}
"""Each kind of dataset; another kind goes by the name of the dataset in the study."""

PLAIN: dict[str, Any] = {
    "penalty": "rate",
    "early_stopping": None,
    "prior": {"kind": "standard"},
    "likelihood": "bernoulli",
}
"""The settings that make a variant of an architecture, with their values in the plain one."""
REMOVED = {"rate": "", "mutual_information": "no marginal KL", "marginal_kl": "no MI"}
"""Each penalty by the term that it removes from the rate (Section 4.5)."""

_LONG = {"cv": "Constant volume (CV)", "cd": "Constant density (CD)"}
_SHADES = {"cv": "Blues", "cd": "Oranges", "checkerboard": "Greens"}


@dataclass(frozen=True)
class Split:
    """A split of an experiment.

    Attributes
    ----------
    name
        Its name in the study.
    kind
        A key of SPLIT_KINDS.
    n_train
        Number of its training images.
    dataset
        The label of its dataset.
    prefix
        Comes before labels to name the dataset; empty if all splits are of the paper's own.
    sized
        Its kind and sizes as the paper writes them: CV(16k/147k).
    """

    name: str
    kind: str
    n_train: int
    dataset: str
    prefix: str
    sized: str

    @property
    def label(self) -> str:
        """The kind and sizes, after the prefix."""
        return self.prefix + self.sized


@dataclass(frozen=True)
class Arch:
    """An architecture of an experiment.

    Attributes
    ----------
    name
        Its name in the study.
    label
        Its depth, kind and variant: 3-layer MLP, early stopping.
    kind, layers, latent, likelihood
        As in the study.
    prior
        The kind of its prior.
    variant
        The difference to the plain architecture in words; empty for a plain one.
    base
        The name of the plain architecture; None if the experiment lacks it.
    """

    name: str
    label: str
    kind: str
    layers: int
    latent: int
    prior: str
    likelihood: str
    variant: str
    base: str | None


def splits(facts: Sequence[Mapping[str, str]], summary: pd.DataFrame) -> list[Split]:
    """The splits of an experiment.

    Parameters
    ----------
    facts
        The `name` of each split, and the name and the kind of its dataset in the study as
        `dataset` and `dataset_kind`.
    summary
        The experiment's rd_summary.parquet, which has the kinds and sizes of the splits.
    """
    datasets = _datasets({fact["dataset"]: fact["dataset_kind"] for fact in facts})
    about = summary.drop_duplicates("split").set_index("split").to_dict("index")
    own = {*datasets.values()} == {PAPERS_OWN}
    found = []
    for fact in facts:
        row, dataset = about[fact["name"]], datasets[fact["dataset"]]
        kind, n_train = row["split_kind"], row["n_train"]
        sized = f"{SPLIT_KINDS[kind]}({thousands(n_train)}/{thousands(row['n_test'])})"
        prefix = "" if own else f"{dataset}, "
        found.append(Split(fact["name"], kind, n_train, dataset, prefix, sized))
    marks = _marks({split.name: (split.dataset, split.sized) for split in found})
    return [replace(split, sized=split.sized + marks[split.name]) for split in found]


def archs(facts: Sequence[Mapping[str, Any]]) -> list[Arch]:
    """The architectures of an experiment, from the `name` and all settings of each."""
    settings = {fact["name"]: {**fact, "name": None} for fact in facts}
    labels = {name: _arch_label(one) for name, one in settings.items()}
    marks = _marks(labels)
    return [
        Arch(
            name=name,
            label=labels[name] + marks[name],
            kind=one["kind"],
            layers=one["layers"],
            latent=one["latent"],
            prior=one["prior"]["kind"],
            likelihood=one["likelihood"],
            variant=_variant(one),
            base=next((other for other in settings if settings[other] == one | PLAIN), None),
        )
        for name, one in settings.items()
    ]


def thousands(n: int) -> str:
    """A sample size as the paper writes it: 81920 is 82k, 819 is 819."""
    return f"{n}" if n < 1000 else f"{n / 1000:.0f}k"


def split_colours(splits: Sequence[Split]) -> dict[Split, ColorType]:
    """The colour of each split, in the order of kinds and sizes.

    The kind gives the hue, the size the shade: the largest is the darkest.
    """
    colours: dict[Split, ColorType] = {}
    for kind, shades in _SHADES.items():
        alike = sorted((one for one in splits if one.kind == kind), key=lambda one: one.n_train)
        light_to_dark = np.linspace(0.85, 0.4, len(alike))[::-1]  # neither black nor pale
        colours |= dict(zip(alike, colormaps[shades](light_to_dark), strict=True))
    return colours


def split_title(name: str, kind: str) -> str:
    """A split in full: its kind, or the paper's words for the split of the study's default."""
    return "50/50 random (default)" if name == "default" else _LONG.get(kind, SPLIT_KINDS[kind])


def _datasets(kinds: Mapping[str, str]) -> dict[str, str]:
    """The label of each dataset by its name, from its kind by its name."""
    labels = {name: DATASETS.get(kind, name) for name, kind in kinds.items()}
    marks = _marks(labels)
    return {name: label + marks[name] for name, label in labels.items()}


def _arch_label(arch: Mapping[str, Any]) -> str:
    plain = f"{arch['layers']}-layer {arch['kind'].upper()}"
    return ", ".join(filter(None, [plain, _variant(arch)]))


def _variant(arch: Mapping[str, Any]) -> str:
    """The difference to the plain architecture in words; a word for each setting in PLAIN."""
    words = [
        REMOVED[arch["penalty"]],
        "early stopping" if arch["early_stopping"] else "",
        _unless_plain("prior", arch["prior"]["kind"], "standard"),
        _unless_plain("likelihood", arch["likelihood"].replace("_", " "), "bernoulli"),
    ]
    return ", ".join(filter(None, words))


def _unless_plain(what: str, kind: str, plain: str) -> str:
    return "" if kind == plain else f"{kind} {what}"


def _marks(looks: Mapping[str, Hashable]) -> dict[str, str]:
    """The mark that tells each name's label from another that looks alike; else empty."""
    count = Counter(looks.values())
    return {name: f" ({name})" if count[look] > 1 else "" for name, look in looks.items()}
