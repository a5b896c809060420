"""Figure 8: mutual information and marginal KL, the two terms of the rate, against β."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rdpipe.figures import _style
from rdpipe.figures._labels import split_label
from rdpipe.files import read_parquet

TERMS = {
    "mutual_information": (r"$I_q(\mathbf{x};\mathbf{z})$", _style.TRAIN),
    "marginal_kl": (r"$\mathrm{KL}(q(\mathbf{z})\,\|\,p(\mathbf{z}))$", _style.TEST),
}


@_style.paper
def draw(
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    splits: Sequence[str],
    archs: Sequence[str],
    arch_labels: Mapping[str, str],
) -> None:
    """Draw one panel a split (row) and architecture (column); mean and deviation over seeds (nats).

    Parameters
    ----------
    folder
        Where fig8.pdf, .png and .csv (the numbers shown) go.
    inputs
        `summary`, an experiment's rd_summary.parquet.
    splits, archs
        Rows from the top; columns from the left.
    arch_labels
        What the figure calls each architecture.
    """
    summary = read_parquet(inputs["summary"])
    shown = (summary["part"] == "train") & (summary["beta"] > 0)  # its axis is logarithmic
    train = summary[shown].sort_values("beta")
    moments = [f"{term}_{moment}" for term in TERMS for moment in ("mean", "std")]
    figure, grid = _style.panels(len(splits), len(archs), aspect=0.54)
    plotted = []
    for (i, split), (j, arch) in itertools.product(enumerate(splits), enumerate(archs)):
        chosen = train[(train["split"] == split) & (train["arch"] == arch)].dropna(
            subset=moments[::2]
        )
        axes = grid[i, j]
        for term, (label, colour) in TERMS.items():
            mean, std = chosen[f"{term}_mean"], chosen[f"{term}_std"].fillna(0)
            axes.errorbar(chosen["beta"], mean, std, color=colour, label=label, **_style.DOTS)
        log_n = float(np.log(train.loc[train["split"] == split, "n_train"].max()))
        axes.axhline(
            log_n, label=r"$\log N_\mathrm{train}$", color="black", linewidth=0.7, linestyle=":"
        )
        axes.set(xscale="log", xlim=(train["beta"].min() / 1.6, train["beta"].max() * 1.6))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel=r"$\beta$", ylabel="nats" if j == 0 else "")
        axes.set_title(f"{split_label(summary, split)}, {arch_labels[arch]}")
        plotted.append(chosen[["split", "arch", "beta", "n", "n_train", *moments]])
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=3)
    _style.save(figure, folder, "fig8", pd.concat(plotted))
