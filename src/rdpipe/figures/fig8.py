"""Figure 8: mutual information and marginal KL, the two terms of the rate, against β."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rdpipe.common.files import read_parquet
from rdpipe.figures import _over_beta, _style
from rdpipe.figures._labels import split_labels
from rdpipe.figures._points import points

TERMS = {
    "mutual_information": (r"$I_q(\mathbf{x};\mathbf{z})$", _style.TRAIN),
    "marginal_kl": (r"$\mathrm{KL}(q(\mathbf{z})\,\|\,p(\mathbf{z}))$", _style.TEST),
}
METRICS = [f"{term}{estimate}" for estimate in ("", "_batch") for term in TERMS]


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[Mapping[str, str]],
    archs: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one panel a split (row) and architecture (column); mean and deviation over seeds (nats).

    The paper's own estimate, from batches, is faint beside that by the full sum.

    Parameters
    ----------
    folder
        Where fig8.pdf, .png and .csv (the numbers shown) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Rows from the top; columns from the left (see `rdpipe.figures`).
    """
    summary = read_parquet(inputs["summary"])
    legend = [_style.line(label, colour, **_style.DOT) for label, colour in TERMS.values()]
    legend.append(_style.line("from batches", "black", **_style.FAINT))
    legend.append(_style.line(r"$\log N_\mathrm{train}$", **_style.REFERENCE))
    labels = split_labels(summary, splits)
    figure, grid = _style.panels(
        len(splits), len(archs), legend=legend, xlabel=r"$\beta$", ylabel="nats", aspect=0.54
    )
    plotted = []
    for axes, ((split, label), arch) in zip(
        grid.flat, itertools.product(labels.items(), archs), strict=True
    ):
        shown = points(summary, split, arch["name"], "train", METRICS)
        for term, (_, colour) in TERMS.items():
            _over_beta.plot(
                axes, shown, f"{term}_batch", color=colour, **_style.FAINT, **_style.BARE
            )
            _over_beta.plot(axes, shown, term, color=colour)
        n_train = int(summary.loc[summary["split"] == split, "n_train"].max())
        axes.axhline(np.log(n_train), **_style.REFERENCE)
        _over_beta.scale(axes, summary["beta"])
        _style.title(axes, f"{label}, {arch['label']}")
        plotted.append(shown.assign(n_train=n_train))
    _style.save(figure, folder, "fig8", pd.concat(plotted))
