"""Readers of real datasets and of the user's own images, on tiny files in their true formats."""

import gzip
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from rdpipe.common import own_files
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json, read_npz, read_parquet
from rdpipe.datasets import cifar10, dsprites, fashion_mnist, images, mnist, shapes3d, smallnorb
from rdpipe.datasets._idx import read_idx
from rdpipe.datasets._size import resized
from rdpipe.datasets.smallnorb import read_matrix
from rdpipe.study.reading import merge, read_study
from tests import ROOT

RANDOM = np.random.default_rng(0)


def noise(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, np.uint8)


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(head + array.tobytes(), mtime=0)


def matrix(array: np.ndarray) -> bytes:
    magic = {"uint8": 0x1E3D4C55, "int32": 0x1E3D4C54}[array.dtype.name]
    shape = [*array.shape, *[1] * (3 - array.ndim)]  # three sizes at least
    head = np.array([magic, array.ndim, *shape], "<i4").tobytes()
    return gzip.compress(head + array.astype(array.dtype.newbyteorder("<")).tobytes())


def result(folder: Path) -> tuple[np.ndarray, pd.DataFrame, dict[str, Any]]:
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert files == {"images.npz", "factors.parquet", "manifest.json"}
    return (
        read_npz(folder / "images.npz")["images"],
        read_parquet(folder / "factors.parquet"),
        read_json(folder / "manifest.json"),
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


# --- sizes -------------------------------------------------------------------------------------


def test_a_larger_size_is_padded_alike_on_all_sides_with_black() -> None:
    x = noise(3, 4, 4, 2)
    padded = resized(x, 8)
    assert padded.shape == (3, 8, 8, 2)
    assert (padded[:, 2:6, 2:6] == x).all()
    assert padded.sum() == x.sum()


def test_a_smaller_size_is_the_mean_over_squares_rounded_half_up(monkeypatch) -> None:
    monkeypatch.setattr("rdpipe.datasets._size.BLOCK", 4)
    for side in (2, 3):
        x = noise(10, 6, 6, 3)
        mean = x.reshape(10, 6 // side, side, 6 // side, side, 3).mean(axis=(2, 4))
        assert (resized(x, 6 // side) == np.floor(mean + 0.5)).all()
    half = np.array([0, 1, 0, 1], np.uint8).reshape(1, 2, 2, 1)
    assert resized(half, 1).item() == 1
    assert resized(np.full((1, 96, 96, 1), 255, np.uint8), 32).min() == 255


@pytest.mark.parametrize("size", [None, 6])
def test_the_native_size_leaves_images_as_they_are(size) -> None:
    x = noise(2, 6, 6, 1)
    assert (resized(x, size) == x).all()


@pytest.mark.parametrize("size", [9, 4, 5, 0])
def test_any_other_size_is_refused_and_the_sentence_says_what_is_not(size) -> None:
    with pytest.raises(RdpipeError, match=rf"6 × 6 .* to {size}; give a divisor \(1, 2, 3\), 6 "):
        resized(noise(2, 6, 6, 1), size)


# --- MNIST and Fashion-MNIST -------------------------------------------------------------------


def put(folder: Path, module: Any, monkeypatch: pytest.MonkeyPatch, *contents: bytes) -> None:
    """Files as the module expects them, whose digests it is told to expect."""
    folder.mkdir(parents=True)
    digests = {}
    for name, data in zip(module.FILES, contents, strict=True):
        (folder / name).write_bytes(data)
        digests[name] = hashlib.sha256(data).hexdigest()
    monkeypatch.setattr(module, "FILES", digests)


@pytest.mark.parametrize("module", [mnist, fashion_mnist])
def test_mnist_is_training_then_test_images_padded(module, out, tmp_path, monkeypatch) -> None:
    kind = module.__name__.rpartition(".")[2]
    x, y = noise(7, 28, 28), np.arange(7, dtype=np.uint8)
    files = map(idx, (x[:5], y[:5], x[5:], y[5:]))
    put(tmp_path / "downloads" / kind, module, monkeypatch, *files)
    module.write_dataset(out, downloads=str(tmp_path / "downloads"), size=32)
    found, factors, manifest = result(out)
    assert (found == np.pad(x, ((0, 0), (2, 2), (2, 2)))[..., None]).all()
    assert factors.to_dict("list") == {"label": list(range(7))}
    entropy = manifest.pop("entropy")
    assert manifest == {"kind": kind, "n": 7, "shape": [32, 32, 1], "factors": {}}
    assert entropy > 0


def test_the_published_digests_are_64_hex_digits_and_all_different() -> None:
    modules = (mnist, fashion_mnist, smallnorb, shapes3d, dsprites, cifar10)
    digests = [sha256 for module in modules for sha256 in module.FILES.values()]
    assert len(set(digests)) == 4 + 4 + 6 + 1 + 1 + 1
    assert all(len(sha256) == 64 and int(sha256, 16) for sha256 in digests)


def test_labels_must_belong_to_the_images(out, tmp_path, monkeypatch) -> None:
    files = map(idx, (noise(5, 28, 28), noise(4), noise(2, 28, 28), noise(2)))
    put(tmp_path / "mnist", mnist, monkeypatch, *files)
    with pytest.raises(RdpipeError, match=r"train-images.* images 5 × 28 × 28 where .* 4 labels"):
        mnist.write_dataset(out, downloads=str(tmp_path), size=None)
    assert list(out.iterdir()) == []


GOOD = idx(np.arange(12, dtype=np.uint8).reshape(3, 2, 2))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cannot be decompressed|is no IDX"),
        (b"plain", "cannot be decompressed"),
        (GOOD[:-9], "cannot be decompressed"),
        (GOOD[:20] + b"\xff\xff\xff" + GOOD[23:], "promises 8053061160 bytes"),
        (gzip.compress(gzip.decompress(GOOD)[:-1], mtime=0), "has 11 bytes where 12"),
        (gzip.compress(gzip.decompress(GOOD) + b"1", mtime=0), "has more than 12 bytes"),
        (gzip.compress(gzip.decompress(GOOD)[:9], mtime=0), "is no IDX"),
        (gzip.compress(b"\0\0\r\3" + gzip.decompress(GOOD)[4:], mtime=0), "is no IDX"),  # of floats
        (idx(noise(3)), "is no IDX file of 3-dim"),
    ],
)
def test_a_damaged_idx_file_is_named_in_a_sentence(data, why, tmp_path) -> None:
    (tmp_path / "x.gz").write_bytes(data)
    with pytest.raises(RdpipeError, match=rf"x.gz ({why}).*; remove it"):
        read_idx(tmp_path / "x.gz", ndim=3)


# --- SmallNORB ---------------------------------------------------------------------------------


def norb(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    info = np.stack([np.arange(n) % high for high in (10, 9, 18, 6)], axis=1) * [1, 1, 2, 1]
    return noise(n, 2, 96, 96), np.arange(n, dtype=np.int32) % 5, info.astype(np.int32)


def test_smallnorb_is_camera_0_of_both_parts_averaged(out, tmp_path, monkeypatch) -> None:
    parts = [norb(20), norb(10)]
    files = [matrix(array) for part in parts for array in part]
    put(tmp_path / "smallnorb", smallnorb, monkeypatch, *files)
    smallnorb.write_dataset(out, downloads=str(tmp_path), size=32)
    found, factors, manifest = result(out)
    pairs, category, info = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    mean = pairs[:, 0].reshape(30, 32, 3, 32, 3).mean(axis=(2, 4))
    assert (found[..., 0] == np.floor(mean + 0.5)).all()
    names = ["category", "instance", "elevation", "azimuth", "lighting"]
    assert list(factors) == names
    assert (factors.to_numpy() == np.column_stack([category, info])).all()
    assert manifest["shape"] == [32, 32, 1]
    assert manifest["factors"] == {"elevation": [0, 8], "azimuth": [0, 34], "lighting": [0, 5]}


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_smallnorb_file_of_another_shape_is_named(which, out, tmp_path, monkeypatch) -> None:
    parts = [list(norb(4)), list(norb(4))]
    parts[0][which] = parts[0][which][:, 0] if which == 0 else parts[0][which][:3]
    files = [matrix(array) for part in parts for array in part]
    put(tmp_path / "smallnorb", smallnorb, monkeypatch, *files)
    name = ("dat", "cat", "info")[which]
    with pytest.raises(RdpipeError, match=rf"training-{name}.* has an array .* should be; remove"):
        smallnorb.write_dataset(out, downloads=str(tmp_path), size=32)


MATRIX = matrix(np.arange(6, dtype=np.int32))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (MATRIX[:-9], "cannot be decompressed"),
        (gzip.compress(b"", mtime=0), "is no binary matrix of int32"),
        (gzip.compress(gzip.decompress(MATRIX)[:12], mtime=0), "is no binary matrix of int32"),
        (
            gzip.compress(b"1234" + gzip.decompress(MATRIX)[4:], mtime=0),
            "is no binary matrix of int32",
        ),
        (matrix(noise(6)), "is no binary matrix of int32"),
        (gzip.compress(gzip.decompress(MATRIX)[:-1], mtime=0), "has 23 bytes where 24"),
        (gzip.compress(gzip.decompress(MATRIX) + b"1", mtime=0), "has more than 24 bytes"),
    ],
    # not the bytes, which hold the time: pytest's workers must agree on the names
    ids=["short", "empty", "head", "magic", "type", "less", "more"],
)
def test_a_damaged_matrix_is_named_in_a_sentence(data, why, tmp_path) -> None:
    (tmp_path / "x.gz").write_bytes(data)
    with pytest.raises(RdpipeError, match=f"x.gz {why}.*; remove it"):
        read_matrix(tmp_path / "x.gz", np.dtype("<i4"))


# --- 3dShapes ----------------------------------------------------------------------------------


def rooms(path: Path, n: int, **changes: Any) -> dict[str, np.ndarray]:
    contents = {"images": noise(n, 64, 64, 3), "labels": RANDOM.random((n, 6)), **changes}
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in contents.items():
            chunks = (5, *array.shape[1:]) if len(array) >= 5 else None
            file.create_dataset(name, data=array, chunks=chunks, compression="gzip")
    return contents


@pytest.mark.parametrize("size", [32, None])
def test_shapes3d_is_read_in_blocks_with_its_factors(size, out, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shapes3d, "BLOCK", 8)  # two chunks and a part of the last
    path = tmp_path / "shapes3d" / "3dshapes.h5"
    contents = rooms(path, 23)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(shapes3d, "FILES", {"3dshapes.h5": digest})
    shapes3d.write_dataset(out, downloads=str(tmp_path), size=size)
    found, factors, manifest = result(out)
    assert (found == resized(contents["images"], size)).all()
    names = ["floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"]
    assert list(factors) == names
    assert (factors.to_numpy() == contents["labels"]).all()
    assert manifest["factors"] == {
        name: [factors[name].min(), factors[name].max()] for name in names if name != "shape"
    }


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"images": noise(5, 64, 48, 3)}, "its images are"),
        ({"images": np.zeros((5, 64, 64, 3))}, "its images are"),
        ({"labels": np.zeros((4, 6))}, r"its labels are \(4, 6\) float64 for 5 images"),
    ],
)
def test_another_hdf5_file_is_refused_in_a_sentence(changes, why, tmp_path) -> None:
    rooms(tmp_path / "x.h5", 5, **changes)
    with pytest.raises(RdpipeError, match=rf"x.h5 cannot be read as 3dShapes \({why}"):
        shapes3d.read(tmp_path / "x.h5", 32)


def test_a_damaged_hdf5_file_is_refused_in_a_sentence(tmp_path) -> None:
    path = tmp_path / "x.h5"
    rooms(path, 5)
    whole = path.read_bytes()
    for data in (b"", b"no HDF5", whole[:-1000], whole.replace(b"labels", b"others")):
        path.write_bytes(data)
        with pytest.raises(RdpipeError, match=r"x.h5 cannot be read as 3dShapes .*; remove it"):
            shapes3d.read(path, 32)


# --- the user's own images ---------------------------------------------------------------------


def write_own(
    out: Path,
    source: Path,
    factors: Path | None = None,
    size: list[int] | None = None,
    threads: int = 1,
) -> None:
    images.write_dataset(
        out,
        images=str(source),
        factors=factors and str(factors),
        content=own_files.content([path for path in (source, factors) if path]),
        size=size,
        threads=threads,
    )


def save(path: Path, array: np.ndarray, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def test_grey_pictures_are_one_channel_in_the_order_of_their_names(out, tmp_path) -> None:
    x = noise(3, 5, 4)
    for name, array in zip(("b.png", "c/a.bmp", "a.TIF"), x, strict=True):
        save(tmp_path / "pictures" / name, array)
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    write_own(out, tmp_path / "pictures", threads=2)
    found, factors, manifest = result(out)
    assert (found == x[[2, 0, 1], ..., None]).all()
    assert factors.to_dict("list") == {"file": ["a.TIF", "b.png", "c/a.bmp"]}
    assert (manifest["kind"], manifest["factors"]) == ("images", {})


def test_one_picture_in_colour_makes_all_of_them_so(out, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(images, "BLOCK", 2)
    grey, colour = noise(4, 4), noise(4, 4, 3)
    for name, array in {"a": grey, "b": grey, "c": colour, "d": grey}.items():
        save(tmp_path / "pictures" / f"{name}.png", array)
    write_own(out, tmp_path / "pictures")
    found, _, _ = result(out)
    repeated = grey[..., None].repeat(3, axis=2)
    assert (found == np.stack([repeated, repeated, colour, repeated])).all()


def _palette(array: np.ndarray) -> Image.Image:
    picture = Image.new("P", (2, 1))
    picture.putpalette(array.astype(np.uint8).tobytes())
    picture.putdata([0, 1])
    return picture


@pytest.mark.parametrize(
    ("picture", "pixels"),
    [
        (Image.fromarray(np.array([[True, False]])), [[255], [0]]),
        (Image.fromarray(np.array([[0, 65535]], np.uint16)), [[0], [255]]),
        (Image.fromarray(np.array([[257 * 7 + 128, 257 * 7 + 129]], np.uint16)), [[7], [8]]),
        (_palette(np.array([[9, 9, 9], [200, 200, 200]])), [[9], [200]]),
        (_palette(np.array([[9, 0, 9], [200, 1, 2]])), [[9, 0, 9], [200, 1, 2]]),
        (Image.fromarray(np.array([[[200, 255], [200, 0]]], np.uint8), "LA"), [[200], [0]]),
        (
            Image.fromarray(np.array([[[9, 8, 7, 255], [200, 100, 50, 51]]], np.uint8)),
            [[9, 8, 7], [40, 20, 10]],
        ),
    ],
    ids=["1 bit", "16 bits", "16 bits rounded", "grey palette", "palette", "grey alpha", "alpha"],
)
def test_every_form_of_picture_becomes_bytes(picture, pixels, out, tmp_path) -> None:
    (tmp_path / "pictures").mkdir()
    picture.save(tmp_path / "pictures" / "a.png")
    write_own(out, tmp_path / "pictures")
    assert result(out)[0].tolist() == [[pixels]]


def test_a_photograph_is_upright(out, tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    save(tmp_path / "pictures" / "a.png", noise(4, 6), exif=exif)
    write_own(out, tmp_path / "pictures")
    assert result(out)[2]["shape"] == [6, 4, 1]


def test_a_size_is_reached_by_area(out, tmp_path) -> None:
    x = noise(2, 6, 8, 3)
    np.save(tmp_path / "x.npy", x)
    for i in range(2):
        save(tmp_path / "pictures" / f"{i}.png", x[i])
    write_own(out, tmp_path / "x.npy", size=[2, 4])
    found = result(out)[0]
    mean = x.reshape(2, 2, 3, 4, 2, 3).mean(axis=(2, 4))
    assert abs(found - mean).max() <= 1  # Pillow rounds after columns, and after rows
    write_own(out, tmp_path / "pictures", size=[2, 4])
    assert (result(out)[0] == found).all()


@pytest.mark.parametrize("names", [("images",), ("anything",), ("images", "labels")])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_arrays_of_bytes_are_taken_as_they_are(names, channels, out, tmp_path) -> None:
    x = noise(3, 4, 5, *channels)
    np.savez(tmp_path / "x.npz", **dict.fromkeys(names, x))
    write_own(out, tmp_path / "x.npz")
    found, factors, manifest = result(out)
    assert (found == x.reshape(3, 4, 5, -1)).all()
    assert factors.to_dict("list") == {"row": [0, 1, 2]}
    assert manifest["shape"] == [4, 5, *(channels or (1,))]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_floats_are_rounded_to_the_nearest_level(dtype, out, tmp_path) -> None:
    levels = noise(2, 16, 16)
    np.save(tmp_path / "x.npy", (levels / 255).astype(dtype))
    write_own(out, tmp_path / "x.npy")
    assert (result(out)[0][..., 0] == levels).all()


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.full((2, 3, 3), 1.01), "floats that are not from 0 to 1"),
        (np.full((2, 3, 3), -0.01), "floats that are not from 0 to 1"),
        (np.full((2, 3, 3), np.nan), "floats that are not from 0 to 1"),
        (np.zeros((2, 3, 3), int), "an array of int64; give uint8"),
        (np.zeros((2, 3), np.uint8), r"of shape \(2, 3\); images are \(N, H, W\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"of shape \(2, 3, 8, 8\); images are"),
        (np.zeros((0, 3, 3), np.uint8), r"of shape \(0, 3, 3\); images are"),
        (np.array([object()]), "nor a readable .npy or .npz"),
    ],
)
def test_an_array_that_holds_no_images_is_refused_in_a_sentence(array, why, out, tmp_path) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(RdpipeError, match=f"x.npy .*{why}"):
        write_own(out, tmp_path / "x.npy")
    assert list(out.iterdir()) == []


def test_a_file_that_is_no_array_is_refused_in_a_sentence(out, tmp_path) -> None:
    np.savez(tmp_path / "x.npz", a=noise(2), b=noise(2))
    with pytest.raises(
        RdpipeError, match=r"x.npz has the arrays a, b; give it one called `images`"
    ):
        write_own(out, tmp_path / "x.npz")
    whole = (tmp_path / "x.npz").read_bytes()
    for data in (b"", b"text", whole[:-30]):
        (tmp_path / "x.npz").write_bytes(data)
        with pytest.raises(RdpipeError, match=r"x.npz is neither a folder of pictures nor"):
            write_own(out, tmp_path / "x.npz")


def test_pictures_that_do_not_go_together_are_refused_in_a_sentence(out, tmp_path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    with pytest.raises(RdpipeError, match=r"pictures holds no picture \(.bmp, .*; add some"):
        write_own(out, folder)
    save(folder / "a.png", noise(4, 6))
    save(folder / "b.png", noise(5, 6))
    with pytest.raises(RdpipeError, match=r"b.png has 5 × 6 pixels, .*a.png has 4 × 6; give .*siz"):
        write_own(out, folder)
    write_own(out, folder, size=[4, 6])
    Image.fromarray(np.zeros((4, 6), np.float32)).save(folder / "c.tif")
    with pytest.raises(RdpipeError, match=r"c.tif has pixels of 32 bits"):
        write_own(out, folder, size=[4, 6])
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:-40])
    with pytest.raises(RdpipeError, match=r"b.png cannot be read as a picture"):
        write_own(out, folder, size=[4, 6])


def test_factors_are_in_the_order_of_the_images(out, tmp_path) -> None:
    np.save(tmp_path / "x.npy", noise(3, 4, 4))
    table = pd.DataFrame({"angle": [0.5, -1.0, 2.0], "count": [1, 5, 3]})
    table.to_csv(tmp_path / "factors.csv", index=False)
    table.astype({"count": "Int64"}).to_parquet(tmp_path / "factors.parquet")
    for name in ("factors.csv", "factors.parquet"):
        write_own(out, tmp_path / "x.npy", tmp_path / name)
        _, factors, manifest = result(out)
        pd.testing.assert_frame_equal(factors, table)
        assert manifest["factors"] == {"angle": [-1, 2], "count": [1, 5]}


def test_factors_of_pictures_may_be_named_by_file(out, tmp_path) -> None:
    for name in ("001.png", "sub/002.png", "003.png"):
        save(tmp_path / "pictures" / name, noise(4, 4))
    (tmp_path / "f.csv").write_text("x,file\n2,sub/002.png\n3,003.png\n1,001.png\n")
    write_own(out, tmp_path / "pictures", tmp_path / "f.csv")
    _, factors, manifest = result(out)
    assert factors.to_dict("list") == {
        "file": ["001.png", "003.png", "sub/002.png"],
        "x": [1, 3, 2],
    }
    assert manifest["factors"] == {"x": [1, 3]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x\n1\n", "has 1 rows for 2 images"),
        ("x\n1\n2\n3\n", "has 3 rows for 2 images"),
        ("x,y\n1,2\n3,\n", "column `y` has other than finite numbers"),
        ("x,y\n1,2\n3,inf\n", "column `y` has other than finite numbers"),
        ("x,y\n1,red\n3,blue\n", "column `y` has other than finite numbers"),
        (",x\n0,1\n1,2\n", "has a column without a name"),
        ("x\n0,5\n0,7\n", "has more fields in a row than names"),  # decimal commas
        ("x,y\n1,2,3\n4,5,6\n", "has more fields in a row than names"),
        ("x;y\n0,5;1,5\n0,7;2,5\n", "has more fields in a row than names"),
        ("x,y\n1,2\n3,4,5\n", "cannot be read as a table"),
        ("name,x\nb.png,1\na.png,2\n", "column `name` .* If it names the pictures, call it `file`"),
        ("part\n0\n1\n", "`part` is what splits call their column"),
        ("file,x\na.png,1\na.png,2\n", "has two rows for a.png"),
        ("file,x\na.png,1\n", "has no row for b.png"),
        ("file,x\na.png,1\nb.png,2\nc.png,3\n", "has a row for the missing picture c.png"),
        ("", "cannot be read as a table"),
        ('x\n"1\n', "cannot be read as a table"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_a_sentence(text, why, out, tmp_path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / "pictures" / name, noise(4, 4))
    (tmp_path / "f.csv").write_text(text)
    with pytest.raises(RdpipeError, match=rf"f.csv:? {why}") as caught:
        write_own(out, tmp_path / "pictures", tmp_path / "f.csv")
    assert "; " in str(caught.value)


def test_the_index_of_a_table_names_pictures_or_is_refused(out, tmp_path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        save(tmp_path / "pictures" / name, noise(4, 4))
    table = pd.DataFrame({"file": ["c.png", "a.png", "b.png"], "x": [3, 1, 2]})
    table.set_index("file").to_parquet(tmp_path / "f.parquet")
    write_own(out, tmp_path / "pictures", tmp_path / "f.parquet")
    assert result(out)[1]["x"].tolist() == [1, 2, 3]
    table[["x"]].iloc[[2, 0, 1]].to_parquet(tmp_path / "f.parquet")  # shuffled
    with pytest.raises(RdpipeError, match=r"f.parquet has an index without a name"):
        write_own(out, tmp_path / "pictures", tmp_path / "f.parquet")


def test_rows_are_paired_by_position_only_where_the_order_of_pictures_is_sure(
    out, tmp_path
) -> None:
    names = [f"{i}.png" for i in range(11)]
    for name in names:
        save(tmp_path / "pictures" / name, noise(4, 4))
    table = pd.DataFrame({"x": range(11)})
    table.to_csv(tmp_path / "f.csv", index=False)
    with pytest.raises(RdpipeError, match=r"by name 10.png comes before 2.png, by number after"):
        write_own(out, tmp_path / "pictures", tmp_path / "f.csv")
    table.assign(file=names).to_csv(tmp_path / "f.csv", index=False)
    write_own(out, tmp_path / "pictures", tmp_path / "f.csv")
    assert result(out)[1]["x"].tolist() == [0, 1, 10, *range(2, 10)]


@pytest.mark.parametrize("values", [np.uint8([0, 1]), np.float32([0, 0.002])])
def test_images_that_would_be_black_are_refused(values, out, tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.tile(values, (3, 4, 2)))
    with pytest.raises(RdpipeError, match=r"x.npy holds no value above 1 of 255"):
        write_own(out, tmp_path / "x.npy")


def test_no_picture_is_taken_or_left_out_without_a_word(out, tmp_path, caplog) -> None:
    folder = tmp_path / "pictures"
    for name in (
        "a.png",
        "b.gif",
        "@eaDir/a.png/thumb.jpg",
        "__MACOSX/a.png",
        "$RECYCLE.BIN/c.png",
    ):
        save(folder / name, noise(4, 4))
    (folder / "notes.txt").write_text("no picture")
    with caplog.at_level("INFO", "rdpipe"):
        write_own(out, folder)
    assert result(out)[1]["file"].tolist() == ["a.png", "b.gif"]
    assert "left out 1 files that are no pictures: notes.txt" in caplog.text
    for name in ("c.ppm", "d.heic"):
        (folder / name).write_bytes(b"")
        with pytest.raises(
            RdpipeError, match=rf"1 pictures of a kind that is not taken.* {name}; "
        ):
            write_own(out, folder)
        (folder / name).unlink()


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.webp", "a.png"])
def test_a_picture_of_several_frames_is_refused(name, out, tmp_path) -> None:
    frames = [Image.fromarray(noise(4, 4)) for _ in range(2)]
    (tmp_path / "pictures").mkdir()
    frames[0].save(tmp_path / "pictures" / name, save_all=True, append_images=frames[1:])
    with pytest.raises(RdpipeError, match=rf"{name} has 2 frames or pages; "):
        write_own(out, tmp_path / "pictures")


def test_a_name_that_is_not_utf8_is_told(out, tmp_path) -> None:
    save(tmp_path / "pictures" / "a.png", noise(4, 4))
    name = os.fsdecode(b"\xfcber.png")
    (tmp_path / "pictures" / "a.png").rename(tmp_path / "pictures" / name)
    with pytest.raises(RdpipeError, match=r"whose name is not UTF-8: b'.xfcber.png'; rename it"):
        write_own(out, tmp_path / "pictures")


def test_a_missing_file_and_a_changed_one_are_told_apart(out, tmp_path) -> None:
    path = tmp_path / "x.npy"
    with pytest.raises(RdpipeError, match=r"x.npy does not exist; put it there"):
        write_own(out, path)
    np.save(path, noise(2, 4, 4))
    for content in (None, own_files.content([path])):
        np.save(path, noise(2, 4, 4))
        with pytest.raises(RdpipeError, match=r"x.npy changed since .*; call snakemake again"):
            images.write_dataset(out, images=str(path), factors=None, content=content, size=None)
    assert list(out.iterdir()) == []


# --- the documentation -------------------------------------------------------------------------


def test_the_examples_of_the_documentation_are_valid_overlays() -> None:
    pages = [(ROOT / "docs" / name).read_text() for name in ("datasets.md", "tutorial.md")]
    examples = [one for page in pages for one in re.findall(r"```yaml.*?\n(.*?)```", page, re.S)]
    assert len(examples) == 4
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for example in examples:
        merge(config, yaml.safe_load(example))
        read_study(config)


def test_the_documentation_names_every_file_and_mirror() -> None:
    text = (ROOT / "docs" / "datasets.md").read_text()
    for module in (mnist, fashion_mnist, smallnorb, shapes3d, dsprites, cifar10):
        assert module.MIRRORS[0] in text
        for name in module.FILES:
            stem, _, end = name.rpartition("-" if module is smallnorb else "/")
            assert stem in text and end in text


@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x.png", "x.jpg", "x.webp", "x.parquet"])
def test_whatever_damage_is_told_in_one_line(tmp_path, name) -> None:
    path, random = tmp_path / name, np.random.default_rng(1)
    picture = Image.fromarray(noise(9, 8, 3))
    exif = picture.getexif()
    exif[274] = 6  # to be turned
    if name == "x.npz":
        np.savez_compressed(path, images=noise(20, 8, 8) // 64)
    elif name == "x.npy":
        np.save(path, noise(4, 3, 3))
    elif name == "x.parquet":
        pd.DataFrame({"scale": range(20)}).to_parquet(path)
    else:
        picture.save(path, exif=exif)
    whole = path.read_bytes()
    rows = pd.DataFrame({"row": range(20)})
    told = []
    for _ in range(100):
        damaged = bytearray(whole)
        for at in random.integers(0, len(whole), 3):
            damaged[at] = random.integers(256)
        path.write_bytes(damaged)
        try:
            if name == "x.parquet":
                images.read_factors(path, rows)
            elif path.suffix in (".npz", ".npy"):
                images.read_array(path)
            else:
                images.read_pictures({name: path}, None, 1, tmp_path)
        except RdpipeError as error:
            told.append(str(error))
    assert told
    assert all(str(path) in sentence and "\n" not in sentence for sentence in told)
