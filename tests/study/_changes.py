"""Plans of configs with some settings changed."""

import copy
from collections.abc import Mapping
from typing import Any

from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study


def changed_plan(config: Mapping[str, Any], changes: Mapping[str, Any]) -> Plan:
    """The plan of a config with some settings changed, keys written with dots."""
    config = copy.deepcopy(config)
    for path, value in changes.items():
        *parents, last = path.split(".")
        here = config
        for key in parents:
            here = here[key]
        here[last] = value
    return Plan(read_study(config))
