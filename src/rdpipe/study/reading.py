"""The configuration: read into a `Study`, or refused with one sentence for each fault."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rdpipe.claims.roles import cast, declared, named
from rdpipe.common.errors import RdpipeError
from rdpipe.common.own_files import printable
from rdpipe.study.settings._base import Model
from rdpipe.study.settings.archs import Vamp
from rdpipe.study.settings.diagnostics import FILES, MEASURES
from rdpipe.study.settings.figures import RD_FIGURES, Claim, Figure
from rdpipe.study.settings.splits import CV, Split
from rdpipe.study.settings.study import RULES, Study
from rdpipe.study.wording import sentence, unknown

COLUMNS = [measure for measure in MEASURES if measure not in FILES]  # what tables may have
BESIDE = ("draw", "published", "diagnostic")  # settings of a figure that are no source
FIGURES = Path(__file__).parents[1] / "figures"


def merge(config: dict[str, Any], overlay: Mapping[str, Any]) -> None:
    """Lay an overlay over a configuration, as Snakemake does: mappings merge, others replace."""
    for key, value in overlay.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), dict):
            merge(config[key], value)
        else:
            config[key] = value


def read_study(config: Mapping[str, Any]) -> Study:
    """The study that a configuration describes.

    Parameters
    ----------
    config
        The merged configuration: nested dicts, lists and scalars as YAML gives them.

    Raises
    ------
    RdpipeError
        With one sentence for each fault. It begins with the path of the key.
    """
    # Python refuses to write such numbers out, also in a sentence about them
    for huge in _huge("", config):
        raise RdpipeError(f"{huge or 'config'}: no number here has more than 20 digits; lower it.")
    try:
        study = Study.model_validate(config)
    except ValidationError as error:
        found = error.errors()
        # a list whose items are refused also counts as too short: only the items are at fault
        inner = {detail["loc"][:depth] for detail in found for depth in range(len(detail["loc"]))}
        faults = [sentence(detail) for detail in found if detail["loc"] not in inner]
        raise RdpipeError("\n".join(faults)) from None
    faults = [
        f"{'.'.join(filter(None, [path, key]))}: {fault}"
        for path, block in _blocks("", study)
        for key, fault in block.faults()
    ]
    if faults := [*faults, *_faults(study)]:
        raise RdpipeError("\n".join(faults))
    return study


def _huge(path: str, value: Any) -> Iterator[str]:
    """Paths of whole numbers of more than 64 bits, and of mappings with such a key."""
    if isinstance(value, int) and abs(value) >= 2**64:
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, int) and abs(key) >= 2**64:
                yield path
            else:
                yield from _huge(f"{path}.{printable(str(key))}".removeprefix("."), inner)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _huge(f"{path}[{index}]", inner)


def _blocks(path: str, value: Any) -> Iterator[tuple[str, Model]]:
    """All blocks inside a value, itself included, each with its path."""
    if isinstance(value, Model):
        yield path, value
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _blocks(f"{path}.{name}".removeprefix("."), inner)
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from _blocks(f"{path}[{index}]", inner)


def _faults(study: Study) -> Iterable[str]:
    """Faults that lie between the blocks: one sentence each."""
    yield from _store_faults(study.store)
    for key, names in (("experiments", study.experiments), ("figures", study.figures)):
        for name in RULES.intersection(names):
            yield f"{key}.{name}: a rule of the workflow has this name; choose another."
    for name, split in study.splits.items():
        yield from _split_faults(f"splits.{name}", split, study)
    for name, experiment in study.experiments.items():
        path = f"experiments.{name}"
        yield from unknown(f"{path}.splits", experiment.splits, study.splits, "split")
        yield from unknown(f"{path}.archs", experiment.archs, study.archs, "architecture")
        yield from unknown(f"{path}.diagnostics", experiment.diagnostics, COLUMNS, "diagnostic")
    yield from _vamp_faults(study)
    for name, figure in study.figures.items():
        yield from _figure_faults(f"figures.{name}", name, figure, study)
    yield from unknown(
        "targets", study.targets, {**study.figures, **study.experiments}, "figure or experiment"
    )


def _store_faults(folder: str) -> Iterable[str]:
    """An absolute store that is missing: rdpipe never makes one, as its disk may be missing."""
    if Path(folder).is_absolute() or os.path.lexists(folder):
        try:
            os.scandir(folder).close()
        except OSError as error:
            yield (
                f"store: {folder} cannot be read ({error.strerror}); mount its disk or mend that, "
                "or make the folder if it is to be a new store."
            )


def _split_faults(path: str, split: Split, study: Study) -> Iterable[str]:
    yield from unknown(f"{path}.dataset", [split.dataset], study.datasets, "dataset", listed=False)
    if split.dataset not in study.datasets:
        return
    known = study.datasets[split.dataset].facts
    if not isinstance(split, CV):
        if not known.factors:
            yield (
                f"{path}.kind: {split.kind} divides the range of factors of variation, but dataset "
                f"{split.dataset} has none; use cv, or give the dataset a table of factors."
            )
        return
    if known.n is not None and split.n_train >= known.n:
        yield (
            f"{path}.n_train: {split.n_train} training examples leave no test part of dataset "
            f"{split.dataset}, which has {known.n}; take fewer."
        )
    if split.n_train < study.training.batch_size:
        yield (
            f"{path}.n_train: {split.n_train} training examples do not fill a batch of "
            f"training.batch_size = {study.training.batch_size}; take more, or a smaller batch."
        )


def _vamp_faults(study: Study) -> Iterable[str]:
    """VampPriors with more components than an experiment gives them training images.

    CV splits say how many they have. A training on another split says it when it starts.
    """
    found = {}
    for experiment in study.experiments.values():
        sizes = [
            (split.n_train, name)
            for name in experiment.splits
            if isinstance(split := study.splits.get(name), CV)
        ]
        for arch in experiment.archs:
            prior = study.archs[arch].prior if arch in study.archs else None
            if isinstance(prior, Vamp) and sizes and prior.components > min(sizes)[0]:
                n, name = min(sizes)
                found[arch] = (
                    f"archs.{arch}.prior.components: {prior.components} pseudo-inputs start as "
                    f"training images, but split {name} has {n}; take fewer."
                )
    return found.values()


def _figure_faults(path: str, name: str, figure: Figure, study: Study) -> Iterable[str]:
    known = sorted(file.stem for file in FIGURES.glob("[!_]*.py"))
    drawn_by = f"{path}.draw" if figure.draw else path
    yield from unknown(
        drawn_by, [figure.draw or name], known, "module of rdpipe.figures", listed=False
    )
    sources = [field for field in Figure.model_fields if field not in BESIDE]
    if sum(getattr(figure, source) is not None for source in sources) != 1:
        yield f"{path}: give exactly one of {', '.join(sources)}."
    if figure.published is not None:
        if (figure.draw or name) not in RD_FIGURES:
            yield (
                f"{path}.published: this figure draws no RD curves, so it cannot show published "
                f"points; remove the setting, or draw one of {', '.join(RD_FIGURES)}."
            )
        if not Path(figure.published).is_file():
            yield (
                f"{path}.published: {figure.published} does not exist; put the file there or mend "
                "the path."
            )
    if figure.dataset is not None:
        yield from unknown(
            f"{path}.dataset", [figure.dataset], study.datasets, "dataset", listed=False
        )
    if figure.diagnostic is not None:
        yield from unknown(
            f"{path}.diagnostic",
            [figure.diagnostic],
            FILES,
            "diagnostic of single runs",
            listed=False,
        )
        if figure.experiment is None:
            yield f"{path}.diagnostic: it is measured on runs; give the figure an experiment."
    if figure.experiment is not None:
        yield from unknown(
            f"{path}.experiment", [figure.experiment], study.experiments, "experiment", listed=False
        )
    yield from unknown(f"{path}.splits", figure.splits or (), study.splits, "split")
    for i, split in enumerate(figure.splits or ()):
        known_split = study.splits.get(split)
        if not isinstance(known_split, CV) or known_split.dataset not in study.datasets:
            continue
        if study.datasets[known_split.dataset].facts.n is None:
            yield (
                f"{path}.splits[{i}]: {split} splits your own images, whose number is known only "
                "when they are read, but this figure shows shares; choose another dataset's split."
            )
    for i, claim in enumerate(figure.claims or ()):
        yield from _claim_faults(f"{path}.claims[{i}]", claim, study)


def _claim_faults(path: str, claim: Claim, study: Study) -> Iterable[str]:
    yield from unknown(
        f"{path}.experiment", [claim.experiment], study.experiments, "experiment", listed=False
    )
    if claim.experiment not in study.experiments:
        return
    experiment = study.experiments[claim.experiment]
    try:
        cast(claim.name, claim.roles, splits=experiment.splits, archs=experiment.archs)
    except RdpipeError as error:
        yield f"{path}: {error}"
        return
    # that its experiment lacks some of the runs leaves a claim undetermined, which is no fault
    for name, players in claim.roles.items():
        role = declared()[claim.name][name]
        known = study.splits if role.of == "split" else study.archs
        yield from unknown(f"{path}.{name}", named(players), known, role.of, listed=role.many)
