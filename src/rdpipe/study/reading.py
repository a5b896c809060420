"""The configuration: read into a `Study`, or refused with one sentence a fault."""

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rdpipe.claims.roles import cast, declared, named
from rdpipe.common.errors import RdpipeError
from rdpipe.study.settings.datasets import Images, Tetrominoes
from rdpipe.study.settings.figures import Claim, Figure
from rdpipe.study.settings.splits import CV, Split
from rdpipe.study.settings.study import RULES, Study

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
        With one sentence for each fault, which begins with the path of the key.
    """
    try:
        study = Study.model_validate(config)
    except ValidationError as error:
        faults = [_sentence(detail, config) for detail in error.errors()]
        raise RdpipeError("\n".join(faults)) from None
    if faults := list(_faults(study)):
        raise RdpipeError("\n".join(faults))
    return study


def _sentence(detail: ErrorDetails, config: Mapping[str, Any]) -> str:
    """One sentence for one of pydantic's findings."""
    path, here = "", config
    last = len(detail["loc"]) - 1
    for depth, key in enumerate(detail["loc"]):
        if isinstance(key, int):
            path += f"[{key}]"
        elif isinstance(here, Mapping) and (depth == last or key in here):
            path += f".{key}" if path else key
        else:
            continue  # the name of a union's branch, which no file spells out
        try:
            here = here[key]  # type: ignore[index]  # mappings have names, sequences numbers
        except (KeyError, IndexError, TypeError):
            break
    if detail["type"] == "extra_forbidden":
        return f"{path}: there is no such setting; remove it or mend its spelling."
    if detail["type"] == "union_tag_not_found":
        return f"{path}.kind: this setting is missing; add it."
    if detail["type"] == "missing":
        return f"{path}: this setting is missing; add it."
    message = detail["msg"][0].lower() + detail["msg"][1:]
    return f"{path}: {message}, but it is {detail['input']!r}."


def _faults(study: Study) -> Iterable[str]:
    """Faults that lie between the settings: one sentence each."""
    yield from _store_faults(study.store)
    yield from _repeated("betas", [f"{beta:g}" for beta in study.betas])
    for beta in study.betas:
        if float(f"{beta:g}") != beta:
            yield f"betas: {beta!r} has more than the six digits that paths spell; round it."
    yield from _repeated("seeds", study.seeds)
    yield from _repeated("training.pack", study.training.pack)
    yield from _repeated("evaluation.pack", study.evaluation.pack)
    if study.evaluation.batch > study.evaluation.outer:
        yield (
            f"evaluation.batch: {study.evaluation.batch} samples are more than evaluation.outer = "
            f"{study.evaluation.outer} gives; lower it, or raise outer."
        )
    for key, names in (("experiments", study.experiments), ("figures", study.figures)):
        for name in RULES.intersection(names):
            yield f"{key}.{name}: a rule of the workflow has this name; choose another."
    samples = study.evaluation.likelihood_samples
    if list(samples) != sorted(set(samples)):
        yield f"evaluation.likelihood_samples: {list(samples)} do not ascend; sort them."
    for name, dataset in study.datasets.items():
        if isinstance(dataset, Tetrominoes):
            yield from _tetrominoes_faults(f"datasets.{name}", dataset)
    for name, split in study.splits.items():
        yield from _split_faults(f"splits.{name}", split, study)
    for name, experiment in study.experiments.items():
        path = f"experiments.{name}"
        yield from _unknown(f"{path}.splits", experiment.splits, study.splits, "split")
        yield from _unknown(f"{path}.archs", experiment.archs, study.archs, "architecture")
        yield from _repeated(f"{path}.splits", experiment.splits)
        yield from _repeated(f"{path}.archs", experiment.archs)
    for name, figure in study.figures.items():
        yield from _figure_faults(f"figures.{name}", name, figure, study)
    yield from _unknown(
        "targets", study.targets, {**study.figures, **study.experiments}, "figure or experiment"
    )


def _store_faults(folder: str) -> Iterable[str]:
    """A store outside the project is not made: if it is missing, its disk may be."""
    if "$" in folder:
        yield f"store: {folder} names a variable of the environment that is not set; export it."
    elif Path(folder).is_absolute() or os.path.lexists(folder):
        try:
            os.scandir(folder).close()
        except OSError as error:
            yield (
                f"store: {folder} cannot be read ({error.strerror}); mount its disk or mend that, "
                "or make the folder if it is to be a new store."
            )


def _tetrominoes_faults(path: str, dataset: Tetrominoes) -> Iterable[str]:
    for key in ("bins", "limits"):
        missing = {"angle", "hue", "scale", "x", "y"} - set(getattr(dataset, key))
        if missing:
            yield f"{path}.{key}: {', '.join(sorted(missing))} missing; give all five factors."
    for factor, (low, high) in dataset.limits.items():
        if not low < high:
            yield f"{path}.limits.{factor}: {low:g} is not below {high:g}; give [lowest, highest]."


def _split_faults(path: str, split: Split, study: Study) -> Iterable[str]:
    yield from _unknown(f"{path}.dataset", [split.dataset], study.datasets, "dataset", listed=False)
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


def _figure_faults(path: str, name: str, figure: Figure, study: Study) -> Iterable[str]:
    known = sorted(file.stem for file in FIGURES.glob("[!_]*.py"))
    drawn_by = f"{path}.draw" if figure.draw else path
    yield from _unknown(
        drawn_by, [figure.draw or name], known, "module of rdpipe.figures", listed=False
    )
    sources = [field for field in Figure.model_fields if field != "draw"]
    if sum(getattr(figure, source) is not None for source in sources) != 1:
        yield f"{path}: give exactly one of {', '.join(sources)}."
    if figure.dataset is not None:
        yield from _unknown(
            f"{path}.dataset", [figure.dataset], study.datasets, "dataset", listed=False
        )
    if figure.experiment is not None:
        yield from _unknown(
            f"{path}.experiment", [figure.experiment], study.experiments, "experiment", listed=False
        )
    yield from _unknown(f"{path}.splits", figure.splits or (), study.splits, "split")
    for i, split in enumerate(figure.splits or ()):
        known_split = study.splits.get(split)
        own = isinstance(known_split and study.datasets.get(known_split.dataset), Images)
        if own and isinstance(known_split, CV):
            yield (
                f"{path}.splits[{i}]: {split} splits your own images, whose number is known only "
                "when they are read, but this figure shows shares; choose another dataset's split."
            )
    for i, claim in enumerate(figure.claims or ()):
        yield from _claim_faults(f"{path}.claims[{i}]", claim, study)


def _claim_faults(path: str, claim: Claim, study: Study) -> Iterable[str]:
    yield from _unknown(
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
        yield from _unknown(f"{path}.{name}", named(players), known, role.of, listed=role.many)
        yield from _repeated(f"{path}.{name}", named(players))


def _unknown(
    path: str, names: Iterable[str], known: Iterable[str], what: str, *, listed: bool = True
) -> Iterable[str]:
    known = list(known)
    for index, name in enumerate(names):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}."
            yield f"{path}{f'[{index}]' if listed else ''}: there is no {what} {name!r}; {hint}"


def _repeated(path: str, values: Sequence[Any]) -> Iterable[str]:
    for value in dict.fromkeys(value for value in values if values.count(value) > 1):
        yield f"{path}: {value} is given twice; remove one."
