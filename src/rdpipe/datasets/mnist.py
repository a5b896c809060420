"""MNIST (LeCun et al. 1998): 70,000 handwritten digits."""

from pathlib import Path

from rdpipe.datasets._idx import write_pooled

FILES = {  # sha256
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def write_dataset(folder: Path, *, downloads: str, size: int | None, threads: int = 1) -> None:
    """Write MNIST, training and test part pooled: images.npz, factors.parquet, manifest.json.

    Parameters
    ----------
    folder
        Where the three go.
    downloads
        Folder in which the published files are, or are put, in `mnist/`.
    size
        Side of the images in pixels (see `_size.resized`); None is 28.
    threads
        Of no use here.

    Raises
    ------
    RdpipeError
        If a file is missing and cannot be downloaded, or is not the published one.
    """
    write_pooled(folder, "mnist", "MNIST", FILES, MIRRORS, downloads, size)
