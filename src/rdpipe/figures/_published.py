"""Points that others have published, beside ours.

A figure's setting `published` names a CSV file with one row for each point:

| column | meaning |
|---|---|
| split, arch, part, beta | the point of ours that it belongs to; the part is train or test |
| rate, distortion | the published values, in nats |
| rate_error, distortion_error | how exactly they were read, as a standard deviation in nats |

Further columns, such as a source, are for readers.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from rdpipe.common.errors import RdpipeError

AXES = ["split", "arch", "part", "beta"]
TERMS = ("rate", "distortion")
NUMBERS = ["beta", *TERMS, *(f"{term}_error" for term in TERMS)]


def read(path: Path) -> pd.DataFrame:
    """Read the points.

    Returns
    -------
    DataFrame
        AXES, and for each term its `published_<term>` and `published_<term>_error`, in nats.

    Raises
    ------
    RdpipeError
        If a column is missing, a value is no number, an error is not above zero, or two rows are of
        one point.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise RdpipeError(f"{path} is no readable CSV file: {error}; mend it.") from error
    if missing := [name for name in dict.fromkeys([*AXES, *NUMBERS]) if name not in table]:
        raise RdpipeError(f"{path} lacks the column {missing[0]}; add it.")
    for name in NUMBERS:
        numbers = pd.to_numeric(table[name], errors="coerce")
        wrong = ~np.isfinite(numbers) | (numbers <= 0 if name.endswith("_error") else False)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            needed = "a number above zero" if name.endswith("_error") else "a number"
            raise RdpipeError(
                f"{path}, line {row + 2}: {name} is {table[name].iloc[row]!r}; give {needed}."
            )
        table[name] = numbers.astype(float)
    if table.duplicated(AXES).any():
        row = int(np.flatnonzero(table.duplicated(AXES))[0])
        raise RdpipeError(f"{path}, line {row + 2}: the point is there twice; remove one.")
    values = [name for name in NUMBERS if name != "beta"]
    return table[AXES + values].rename(columns={name: f"published_{name}" for name in values})


def beside(points: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Add to the points of a curve the published ones and how far ours are from them.

    Returns
    -------
    DataFrame
        `points` with the columns that `read` gives, and for each term `<term>_deviations`: our mean
        minus the published value, in units of √(reading error² + deviation over seeds²). All of
        them are NaN where nothing is published. A single seed has no deviation; the unit is then
        the reading error alone.
    """
    both = points.merge(published, on=AXES, how="left")
    for term in TERMS:
        unit = np.hypot(both[f"published_{term}_error"], both[f"{term}_std"].fillna(0))
        both[f"{term}_deviations"] = (both[f"{term}_mean"] - both[f"published_{term}"]) / unit
    return both
