"""Which study is asked about, and what `results/` has of other studies."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rdpipe.common.files import read_json
from rdpipe.overview.progress import jobs_elsewhere
from rdpipe.study import about
from rdpipe.study.plan import RESULTS, Plan


def heading(plan: Plan, files: Sequence[Path]) -> str:
    """The name of a study, and the files of its config: the overlays, else config.yaml."""
    return f"study {plan.study.name} ({', '.join(map(str, files))})"


def others(plan: Plan, overlays: Sequence[Path]) -> str:
    """One line about other studies at work here, which may be meant; else the empty string.

    Results of other studies are told only if there is no overlay, which somebody may have
    forgotten.
    """
    owned = owners()
    if jobs := jobs_elsewhere(plan):
        logs = [str(told.said["log"]) for told in jobs]
        named = {
            study
            for place, studies in owned.items()
            if any(f"logs/{place}" in log for log in logs)
            for study in studies
        } - {plan.study.name}
        study = f" ({', '.join(sorted(named))})" if named else ""
        return f"jobs of another study{study} are running: add its --configfile"
    names = sorted({study for studies in owned.values() for study in studies} - {plan.study.name})
    if not names or overlays:
        return ""
    return f"other studies have results here ({', '.join(names)}): add --configfile for one of them"


def owners() -> dict[str, list[str]]:
    """The studies that each result belongs to at present, by its place in `results/`."""
    owned: dict[str, list[str]] = {}
    for path in sorted(Path(RESULTS).glob(f"*/{about.FILE}")):
        with suppress(OSError, ValueError):
            for place in _texts(read_json(path)):
                owned.setdefault(place, []).append(path.parent.name)
    return owned


def _texts(said: Any) -> Iterator[str]:
    """All texts of study.json: the places of its results are among them."""
    if isinstance(said, str):
        yield said
    elif isinstance(said, Mapping | list):
        for inner in said.values() if isinstance(said, Mapping) else said:
            yield from _texts(inner)
