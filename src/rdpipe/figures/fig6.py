"""Figure 6: RD curves of MLPs and CNNs of the same depth.

Each panel shows one split and one depth. Each point is one β: the mean of rate R and distortion D
over seeds, with bars of one standard deviation. Dashed curves are measured on the training part,
full curves on the test part. The star marks β = 1, and grey lines join points of equal ELBO.
"""

from pathlib import Path

from matplotlib.figure import Figure

from rdpipe.common.errors import RdpipeError
from rdpipe.figures import _rd_pages, _style
from rdpipe.figures._experiment import Experiment
from rdpipe.figures._rd_curves import pair
from rdpipe.figures._rd_pages import Panel

KINDS = {"mlp": ("MLP", _style.TRAIN), "cnn": ("CNN", _style.TEST)}


def draw(folder: Path, experiment: Experiment) -> Figure:
    """Draw one panel for each split (row) and depth (column), with a pair of curves for each kind.

    Leaves variants of architectures out. Refuses an experiment without MLPs or without CNNs, or
    with several of one kind and depth.
    """
    plain = [arch for arch in experiment.archs if not arch.variant]
    if {arch.kind for arch in plain} < {*KINDS}:
        raise RdpipeError(
            "it compares MLPs with CNNs; "
            "give its experiment architectures of kind mlp and of kind cnn."
        )
    sorts = [(arch.kind, arch.layers) for arch in plain]
    if len({*sorts}) < len(sorts):
        raise RdpipeError(
            "it has one curve for an MLP or CNN of each depth; "
            "give its experiment no two architectures of one kind and number of layers."
        )
    rows = [
        [
            Panel(
                f"{split.label}, {layers} layer{'s' if layers > 1 else ''}",
                [
                    curve
                    for arch in plain
                    if arch.layers == layers
                    for curve in pair(experiment, split, arch, *KINDS[arch.kind])
                ],
            )
            for layers in sorted({arch.layers for arch in plain})
        ]
        for split in experiment.splits
    ]
    return _rd_pages.save(folder, "fig6", *_rd_pages.page(rows))
