"""Fashion-MNIST (Xiao et al. 2017): 70,000 articles of clothing, in the form of MNIST."""

from pathlib import Path

from rdpipe.datasets._idx import write_pooled

FILES = {  # sha256
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)


def write_dataset(folder: Path, *, downloads: str, size: int | None, threads: int = 1) -> None:
    """Write Fashion-MNIST, both parts pooled: images.npz, factors.parquet, manifest.json.

    The parameters are those of `mnist.write_dataset`; the files lie in `fashion_mnist/`.

    Raises
    ------
    RdpipeError
        If a file is missing and cannot be downloaded, or is not the published one.
    """
    write_pooled(folder, "fashion_mnist", "Fashion-MNIST", FILES, MIRRORS, downloads, size)
