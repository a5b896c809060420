"""Importing matplotlib, whatever backend the environment names."""

import os
from contextlib import suppress

# matplotlib cannot be imported while MPLBACKEND names a backend that is not installed here. A
# notebook's server, for one, leaves the name of its own backend to the jobs started from it.
_backend = os.environ.pop("MPLBACKEND", None)
import matplotlib  # noqa: E402

if _backend is not None:
    os.environ["MPLBACKEND"] = _backend
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _backend
