"""dSprites and CIFAR-10, which are published as archives, on tiny files in their true formats."""

import gzip
import hashlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.datasets import cifar10, dsprites
from tests.datasets.test_datasets import noise, put, result

RANDOM = np.random.default_rng(0)
(SPRITES,) = dsprites.FILES
(CIFAR,) = cifar10.FILES


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which its files are served."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def serve(module: Any, data: bytes, mirror: tuple[Path, str], monkeypatch: Any) -> None:
    """Let the module find its file, with such content, on a server only."""
    folder, url = mirror
    (name,) = module.FILES
    (folder / name).write_bytes(data)
    monkeypatch.setattr(module, "FILES", {name: hashlib.sha256(data).hexdigest()})
    monkeypatch.setattr(module, "MIRRORS", (url,))


# --- dSprites ----------------------------------------------------------------------------------


class Trap:
    """Whoever unpickles it makes a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pickled",)


def sprites(n: int, **changes: Any) -> dict[str, np.ndarray]:
    """The arrays of a small dSprites. `metadata` does harm if it is unpickled."""
    values = RANDOM.random((n, 6))
    values[:, 0] = 1
    return {
        "metadata": np.array(Trap(), object),
        "imgs": RANDOM.integers(0, 2, (n, 64, 64), np.uint8),
        "latents_classes": RANDOM.integers(0, 3, (n, 6)),
        "latents_values": values,
    } | changes


def archive(contents: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **contents)
    return file.getvalue()


@pytest.mark.parametrize("size", [32, None])
def test_dsprites_is_read_in_blocks_with_its_factors_and_nothing_is_unpickled(
    size, out, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(dsprites, "BLOCK", 8)  # two blocks and a part of the last
    monkeypatch.chdir(tmp_path)
    contents = sprites(21)
    put(tmp_path / "dsprites", dsprites, monkeypatch, archive(contents))
    dsprites.write_dataset(out, downloads=str(tmp_path), size=size)
    found, factors, manifest = result(out)
    white = 255.0 * contents["imgs"][..., None]
    side = 64 // (size or 64)
    mean = white.reshape(21, 64 // side, side, 64 // side, side, 1).mean(axis=(2, 4))
    assert (found == np.floor(mean + 0.5)).all()
    names = ["shape", "scale", "orientation", "posX", "posY"]
    assert list(factors) == names
    assert (factors.to_numpy() == contents["latents_values"][:, 1:]).all()
    assert manifest["shape"] == [size or 64, size or 64, 1]
    assert manifest["factors"] == {
        name: [factors[name].min(), factors[name].max()] for name in names if name != "shape"
    }
    assert not (tmp_path / "pickled").exists()


def test_the_trap_of_these_tests_works(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with np.load(io.BytesIO(archive(sprites(1))), allow_pickle=True) as file:
        file["metadata"]
    assert (tmp_path / "pickled").exists()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"imgs": np.zeros((5, 64, 48), np.uint8)}, "its images are"),
        ({"imgs": np.zeros((5, 64), np.uint8)}, "its images are"),
        ({"imgs": np.zeros((5, 64, 64))}, r"its images are \(5, 64, 64\) float64"),
        ({"imgs": np.full((5, 64, 64), 2, np.uint8)}, "other values than 0 and 1"),
        ({"imgs": np.zeros((5, 64, 64), np.uint8)}, "an image without a shape"),
        ({"imgs": np.zeros((5, 64, 64), np.uint8, "F")}, "in Fortran order"),
        ({"imgs": np.zeros((5, 128, 128), np.uint8)}, "it promises 5 images of 128 × 128 pixels"),
        ({"imgs": np.zeros((0, 64, 64), np.uint8)}, "its factors are"),
        ({"imgs": np.array(Trap(), object)}, "its images are"),
        ({"latents_values": np.zeros((4, 6))}, r"its factors are \(4, 6\) float64 for 5 images"),
        ({"latents_values": np.array(Trap(), object)}, "its factors are"),
        ({"latents_values": np.full((5, 6), np.nan)}, ""),
    ],
)
def test_another_archive_is_refused_in_a_sentence(changes, why, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npz").write_bytes(archive(sprites(5, **changes)))
    with pytest.raises(RdpipeError, match=rf"x.npz (cannot|has factors).*{why}.*; remove it"):
        dsprites.read(tmp_path / "x.npz", 32)
    assert not (tmp_path / "pickled").exists()


@pytest.mark.parametrize("name", ["imgs", "latents_values"])
def test_an_archive_without_an_array_is_refused_in_a_sentence(name, tmp_path) -> None:
    contents = sprites(5)
    del contents[name]
    (tmp_path / "x.npz").write_bytes(archive(contents))
    with pytest.raises(RdpipeError, match=rf"x.npz cannot be read as dSprites \(.*{name}"):
        dsprites.read(tmp_path / "x.npz", 32)


def test_a_damaged_archive_is_refused_in_a_sentence(tmp_path) -> None:
    whole = archive(sprites(5))
    at = whole.index(b"imgs.npy") + 400  # inside the packed images
    flipped = whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]
    for data in (b"", b"no archive", whole[:-1000], flipped):
        (tmp_path / "x.npz").write_bytes(data)
        with pytest.raises(RdpipeError, match=r"x.npz cannot be read as dSprites .*; remove it"):
            dsprites.read(tmp_path / "x.npz", 32)


def test_arrays_with_the_header_of_python_2_are_read(tmp_path) -> None:
    contents = sprites(3)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name in ("imgs", "latents_values"):
            array = contents[name]
            shape = ", ".join(f"{n}L" for n in array.shape)
            told = f"{{'descr': {array.dtype.str!r}, 'fortran_order': False, 'shape': ({shape}), }}"
            head = told.ljust(117) + "\n"
            start = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
            packed.writestr(f"{name}.npy", start + array.tobytes())
    (tmp_path / "x.npz").write_bytes(file.getvalue())
    with pytest.warns(UserWarning, match="created on Python 2"):
        images, _ = dsprites.read(tmp_path / "x.npz", None)
    assert (images[..., 0] == 255 * contents["imgs"]).all()


def test_dsprites_is_downloaded(out, mirror, tmp_path, monkeypatch) -> None:
    serve(dsprites, archive(sprites(3)), mirror, monkeypatch)
    dsprites.write_dataset(out, downloads=str(tmp_path / "new"), size=32)
    assert (tmp_path / "new" / "dsprites" / SPRITES).is_file()
    assert result(out)[2]["n"] == 3


# --- CIFAR-10 ----------------------------------------------------------------------------------

BATCHES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]


def batch(x: np.ndarray, y: np.ndarray) -> bytes:
    """Images (N, 32, 32, 3) and labels (N,) as records."""
    return np.column_stack([y, x.transpose(0, 3, 1, 2).reshape(len(x), -1)]).tobytes()


def batches(n: int = 2) -> dict[str, bytes]:
    return {name: batch(noise(n, 32, 32, 3), noise(n) % 10) for name in BATCHES}


def member(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tarred(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=form) as packed:
        for info, data in members:
            packed.addfile(info, io.BytesIO(data))
    return file.getvalue()


def whole(files: dict[str, bytes]) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Members as the published archive has them: a folder, the files, and texts."""
    folder = member("cifar-10-batches-bin", type=tarfile.DIRTYPE)
    inside = [member(f"cifar-10-batches-bin/{name}", data) for name, data in files.items()]
    return [folder, *inside, member("cifar-10-batches-bin/readme.html", b"<html>")]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_cifar10_is_training_then_test_images_in_colour(form, out, tmp_path, monkeypatch) -> None:
    x, y = noise(13, 32, 32, 3), np.arange(13, dtype=np.uint8) % 10
    rows = np.split(np.arange(13), [2, 4, 6, 8, 10])
    files = {name: batch(x[of], y[of]) for name, of in zip(BATCHES, rows, strict=True)}
    mixed = {name: files[name] for name in (BATCHES[5], BATCHES[2], *BATCHES)}
    put(tmp_path / "cifar10", cifar10, monkeypatch, tarred(*whole(mixed), form=form))
    cifar10.write_dataset(out, downloads=str(tmp_path), size=32)
    found, factors, manifest = result(out)
    assert (found == x).all()
    assert factors.to_dict("list") == {"label": y.tolist()}
    manifest.pop("entropy")
    assert manifest == {"kind": "cifar10", "n": 13, "shape": [32, 32, 3], "factors": {}}


def test_cifar10_is_averaged_or_padded_to_another_size(out, tmp_path, monkeypatch) -> None:
    put(tmp_path / "cifar10", cifar10, monkeypatch, tarred(*whole(batches())))
    for size in (16, 40):
        cifar10.write_dataset(out, downloads=str(tmp_path), size=size)
        assert result(out)[2]["shape"] == [size, size, 3]


def test_members_of_other_names_and_kinds_are_passed_over(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    files, wrong = batches(), batch(noise(9, 32, 32, 3), noise(9) % 10)
    strange = [
        member("/cifar-10-batches-bin/data_batch_1.bin", wrong),
        member("../cifar-10-batches-bin/data_batch_1.bin", wrong),
        member("cifar-10-batches-bin/../cifar-10-batches-bin/data_batch_1.bin", wrong),
        member("cifar-10-batches-bin/" + 200 * "x", wrong),  # its name takes a member of its own
        member("cifar-10-batches-bin/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("cifar-10-batches-bin/pipe", type=tarfile.FIFOTYPE),
    ]
    (tmp_path / "x.tar.gz").write_bytes(tarred(*strange, *whole(files)))
    images, labels = cifar10.read(tmp_path / "x.tar.gz")
    records = np.frombuffer(b"".join(files.values()), np.uint8).reshape(-1, 3073)
    assert (labels == records[:, 0]).all()
    assert (images.transpose(0, 3, 1, 2).reshape(12, -1) == records[:, 1:]).all()
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.gz"]


def changed(which: int, data: bytes) -> bytes:
    return tarred(*whole(batches() | {BATCHES[which]: data}))


def linked(kind: bytes) -> bytes:
    others = {name: data for name, data in batches().items() if name != BATCHES[0]}
    link = member(
        "cifar-10-batches-bin/data_batch_1.bin", type=kind, linkname="cifar-10-batches-bin/x"
    )
    return tarred(link, *whole(others))


def promising(size: int) -> bytes:
    info, _ = member("cifar-10-batches-bin/data_batch_1.bin", size=size)
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024), mtime=0)


RECORD = bytes(3073)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: b"", "lacks cifar-10-batches-bin/data_batch_1.bin|cannot be decompressed"),
        (lambda: b"plain", "cannot be decompressed"),
        (lambda: tarred(*whole(batches()))[:-4000], "cannot be decompressed"),
        (lambda: gzip.compress(b"no archive"), "is no tar archive"),
        (lambda: gzip.compress(noise(2000).tobytes()), "is no tar archive"),
        (lambda: changed(0, RECORD[:-1]), "data_batch_1.bin with 3072 bytes, .* no whole records"),
        (lambda: changed(5, RECORD + b"1"), "test_batch.bin with 3074 bytes, .* no whole records"),
        (lambda: changed(1, b""), "data_batch_2.bin with 0 bytes"),
        (lambda: changed(2, b"\x0a" + RECORD[1:]), "data_batch_3.bin with a label 10"),
        (lambda: tarred(*whole(dict(list(batches().items())[:-1]))), "lacks .*test_batch.bin"),
        (lambda: tarred(*2 * whole(batches())), "data_batch_1.bin twice"),
        (lambda: linked(tarfile.SYMTYPE), "data_batch_1.bin as a link"),
        (lambda: linked(tarfile.LNKTYPE), "data_batch_1.bin as a link"),
        (lambda: linked(tarfile.FIFOTYPE), "data_batch_1.bin as a link or another special"),
        (lambda: promising(2**50), "promises a file of 1125899906842624 bytes"),
        (lambda: promising(3073 * 10), "ends within .*data_batch_1.bin"),
    ],
    ids=[
        "empty", "plain", "cut", "text", "noise", "short", "long", "none", "label", "missing",
        "twice", "symlink", "hardlink", "pipe", "terabytes", "promises",
    ],
)  # fmt: skip
def test_another_archive_of_cifar10_is_refused_in_a_sentence(data, why, tmp_path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(data())
    with pytest.raises(RdpipeError, match=rf"x.tar.gz .*({why}).*; remove it"):
        cifar10.read(tmp_path / "x.tar.gz")


def test_cifar10_is_downloaded(out, mirror, tmp_path, monkeypatch) -> None:
    serve(cifar10, tarred(*whole(batches())), mirror, monkeypatch)
    cifar10.write_dataset(out, downloads=str(tmp_path / "new"), size=32)
    assert (tmp_path / "new" / "cifar10" / CIFAR).is_file()
    assert result(out)[2]["n"] == 12
