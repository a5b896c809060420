"""The targets of a call, looked at before Snakemake looks for rules and files of these names."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rdpipe.common.errors import RdpipeError
from rdpipe.common.own_files import printable
from rdpipe.study.plan import Plan
from rdpipe.study.settings.study import RULES


def check_targets(plan: Plan, names: Iterable[str]) -> None:
    """Refuse names that are no targets of a study. Paths of files are left to Snakemake.

    Raises
    ------
    RdpipeError
        With one sentence for each name. It has the nearest names, or all.
    """
    known = [*plan.targets, *RULES]
    faults = []
    for name in names:
        if name in known or {"/", "."} & set(name) or Path(name).exists():
            continue
        shown = printable(name)
        if close := difflib.get_close_matches(name, [*plan.targets, "all", "report"], n=3):
            hint = f"did you mean {' or '.join(map(repr, close))}?"
        else:
            hint = (
                f"it has {', '.join(plan.targets)}. A target of another study needs the file of "
                f"that study: snakemake {shown} --configfile mine.yaml"
            )
        faults.append(f"study {plan.study.name} has no target {shown!r}; {hint}")
    if faults:
        raise RdpipeError("\n".join(faults))


def check_overlays(files: Mapping[Path, Mapping[str, Any]]) -> None:
    """Refuse overlays that add figures or experiments but leave the targets as in config.yaml.

    A call without a target would then make the whole study of the paper.

    Parameters
    ----------
    files
        The settings of config.yaml and of the overlays on it, by their files.

    Raises
    ------
    RdpipeError
        With one sentence.
    """
    config = next((given for path, given in files.items() if path.name == "config.yaml"), {})
    overlays = {path: given for path, given in files.items() if given is not config}
    if any("targets" in given for given in overlays.values()):
        return
    for path, given in overlays.items():
        if new := _new(config, given):
            raise RdpipeError(
                f"{path}: this file adds {', '.join(new)} but no `targets`, so that a call without "
                f"a target would make those of config.yaml; add `targets: [{', '.join(new)}]`, or "
                "name a target in the call."
            )


def _new(config: Mapping[str, Any], overlay: Mapping[str, Any]) -> list[str]:
    """Names of figures, else of experiments, that an overlay adds to a config."""
    for block in ("figures", "experiments"):
        added = overlay.get(block)
        if isinstance(added, Mapping) and (
            new := [str(name) for name in added if name not in config.get(block, ())]
        ):
            return new
    return []
