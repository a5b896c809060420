"""The user's own files, looked at before anything runs: their content, and the number of images.

`contents` is asked at every call of Snakemake, so it remembers the digests of files. `faults` is
what `rdpipe check` says. A workflow refuses splits that leave no test part, as it does for other
datasets. It leaves missing files to the jobs of the datasets, so that they do not stop other work.
"""

from collections.abc import Iterator
from pathlib import Path

from rdpipe.common import npy
from rdpipe.common.errors import RdpipeError
from rdpipe.common.own_files import PICTURES, content, pictures
from rdpipe.study.settings.splits import CV
from rdpipe.study.settings.study import Study


def contents(study: Study, remembered: Path) -> dict[str, str | None]:
    """The digest of what the user's own files hold.

    Datasets of own images stand there by their name, figures with published points as
    `figures.<name>`. A digest is None where a file cannot be read. `remembered` is a JSON file that
    keeps digests of files between calls.
    """
    files = {name: dataset.own_files for name, dataset in study.datasets.items()}
    for name, figure in study.figures.items():
        files[f"figures.{name}"] = [Path(figure.published)] if figure.published else []
    return {name: content(paths, remembered) for name, paths in files.items() if paths}


def faults(study: Study) -> Iterator[str]:
    """Missing files, folders without pictures, and CV splits that leave no test part.

    Each is one sentence that begins with the key's path.
    """
    for name, dataset in study.datasets.items():
        missing = [path for path in dataset.own_files if not path.exists()]
        for path in missing:
            key = "images" if path == dataset.own_files[0] else "factors"
            yield f"datasets.{name}.{key}: {path} does not exist; put it there or mend the path."
        if missing or not dataset.own_files:
            continue
        images = dataset.own_files[0]
        n = count(images)
        if n == 0:
            yield (
                f"datasets.{name}.images: {images} holds no image ({', '.join(PICTURES)}, or an "
                "array); add some."
            )
            continue
    yield from _split_faults(study)


def refuse_splits(study: Study) -> None:
    """Refuse CV splits that leave no test part of the user's own images.

    Raises
    ------
    RdpipeError
        With one sentence for each.
    """
    if faults := list(_split_faults(study)):
        raise RdpipeError("\n".join(faults))


def _split_faults(study: Study) -> Iterator[str]:
    for name, split in study.splits.items():
        dataset = study.datasets[split.dataset]
        if not isinstance(split, CV) or not dataset.own_files:
            continue
        n = count(dataset.own_files[0])
        if n and split.n_train >= n:
            yield (
                f"splits.{name}.n_train: {split.n_train} training images leave no test part of "
                f"dataset {split.dataset}, which has {n}; take fewer."
            )


def count(images: Path) -> int | None:
    """Number of images in a folder or an array, read from names and headers alone.

    It is None if the file has no readable header. The dataset's job then says why.
    """
    if images.is_dir():
        return len(pictures(images))
    if not images.is_file():  # a pipe would be waited for
        return None
    try:
        with npy.opened(images) as array:
            return array.shape[0] if array.shape else None
    except Exception:  # what parsers raise on damaged bytes has no end
        return None
