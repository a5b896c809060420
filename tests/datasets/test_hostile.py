"""Files that were made to do harm: each is told in one line, and takes neither memory nor time."""

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from functools import partial
from pathlib import Path

import h5py
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.lib import format as npy
from PIL import Image

from rdpipe.common import own_files
from rdpipe.common.errors import RdpipeError
from rdpipe.datasets import _idx, cifar10, dsprites, images, shapes3d, smallnorb
from rdpipe.study.own_files import count

MEMORY = 48e6  # bytes that refusing any of these files may take
UINT8, INT32 = np.dtype("u1"), np.dtype("<i4")
KINDS = {".gz", ".h5", ".npy", ".npz", ".csv", ".parquet"}


def read(path: Path) -> object:
    """Read a file as the dataset whose files have such a name."""
    if path.name.endswith("idx.gz"):
        return _idx.read_idx(path, 3)
    if path.name.endswith("mat.gz"):
        return smallnorb.read_matrix(path, UINT8)
    if path.name.endswith("tar.gz"):
        return cifar10.read(path)
    if path.name.endswith("sprites.npz"):
        return dsprites.read(path, 32)
    if path.suffix == ".h5":
        return shapes3d.read(path, 32)
    count(path)
    if path.suffix in (".npy", ".npz"):
        return images.read_array(path)
    if path.suffix in (".csv", ".parquet"):
        return images.read_factors(path, pd.DataFrame({"row": range(8)}))
    return images.read_pictures({path.name: path}, None, 1, path.parent)


# --- bombs, and headers that promise what no file has -------------------------------------------


def header(
    shape: tuple[int, ...], descr: object = "|u1", version: tuple[int, int] = (1, 0)
) -> bytes:
    file = io.BytesIO()
    told = {"descr": descr, "fortran_order": False, "shape": shape}
    (npy.write_array_header_1_0 if version == (1, 0) else npy.write_array_header_2_0)(file, told)
    return file.getvalue()


def zipped(data: bytes, promised: int, name: str = "images.npy", **others: bytes) -> bytes:
    """An archive whose directory promises more bytes of its first file than there are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
        for other, content in others.items():
            archive.writestr(f"{other}.npy", content)
    raw = bytearray(file.getvalue())
    struct.pack_into("<I", raw, raw.index(b"PK\x01\x02") + 24, promised)
    return bytes(raw)


def sprites(shape: tuple[int, ...], promised: int, data: bytes = b"", **values: object) -> bytes:
    """An archive in the form of dSprites with as many images as its header promises."""
    factors = header((shape[0], 6), **{"descr": "<f8", **values}) + bytes(1000)
    return zipped(header(shape) + data, promised, "imgs.npy", latents_values=factors)


def tarred(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """The header of a file in a tar archive."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def zeros(start: bytes, times: int) -> bytes:
    """A gzip file that begins with some bytes, and then holds so many times ten million zeros."""
    return gzip.compress(start) + times * gzip.compress(bytes(10_000_000), 1)


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(width: int, height: int) -> bytes:
    tags = {
        256: width,
        257: height,
        258: 8,
        259: 1,
        262: 1,
        273: 8,
        277: 1,
        278: height,
        279: 2**31,
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)


def bmp(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head


def gif(width: int, height: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x08\x01\x00\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + frame + b";"


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) print\n%%EOF\n"
IDX = bytes([0, 0, 8, 3])
NORB = struct.pack("<ii", 0x1E3D4C55, 4)
BATCH = "cifar-10-batches-bin/data_batch_1.bin"
BOMBS = {
    "terabytes.npy": header((10**6, 10**3, 10**3)),
    "more-than-numbers-hold.npy": header((2**40, 2**40, 2**40)),
    "wraps-to-zero.npy": header((2**32, 2**32, 1)),
    "negative.npy": header((-1, 4, 4)),
    "long-header.npy": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + bytes(100),
    "objects.npy": header((4, 4, 4), "|O") + b"cos\nsystem\n(S'touch pickled'\ntR.",
    "texts.npy": header((10**6, 10**3, 10**3), "<U0"),
    "terabytes.npz": zipped(header((10**6, 10**3, 10**3)), 2**32 - 2),
    "bomb.npz": zipped(header((10**6, 60, 60)) + bytes(10**6), 128 + 60 * 60 * 10**6),
    "long-header.npz": zipped(b"\x93NUMPY\x02\x00" + b"\xff" * 4 + bytes(10**6), 2**32 - 2),
    "no-array.npz": zipped(bytes(10**6), 2**32 - 2, "../../images"),
    "terabytes.idx.gz": gzip.compress(IDX + struct.pack(">III", 2**31, 2**10, 2**10)),
    "wraps-to-zero.idx.gz": gzip.compress(IDX + struct.pack(">III", 2**31, 2**31, 4)),
    "bomb.idx.gz": zeros(IDX + struct.pack(">III", 9, 4, 4), 100),
    "terabytes.mat.gz": gzip.compress(NORB + struct.pack("<iiii", 2**30, 2, 2**10, 2**10)),
    "wraps-to-zero.mat.gz": gzip.compress(NORB + struct.pack("<iiii", 2**30, 2**30, 16, 1)),
    "negative.mat.gz": gzip.compress(NORB + struct.pack("<iiii", -2, -2, 1, 1) + bytes(4)),
    "bomb.mat.gz": zeros(NORB + struct.pack("<iiii", 9, 2, 4, 4), 100),
    "terabytes.sprites.npz": sprites((10**9, 64, 64), 2**32 - 2),
    "large.sprites.npz": sprites((737_280, 64, 64), 2**32 - 2),
    "bomb.sprites.npz": sprites((737_280, 64, 64), 2**32 - 2, bytes(10**7)),
    "objects.sprites.npz": sprites((8, 64, 64), 2**20, bytes(8 * 64 * 64), descr="|O"),
    "terabytes.tar.gz": gzip.compress(tarred(BATCH, 2**50)),
    "long-name.tar.gz": zeros(tarred(BATCH, 2**33, tarfile.GNUTYPE_LONGNAME), 100),
    "bomb.tar.gz": zeros(tarred(BATCH, 3073 * 9999), 100),
    "many.tar.gz": gzip.compress(10_000 * tarred("x", 3073 * 9999)),
    "gigapixels.png": png(2**31 - 1, 2**31 - 1),
    "bomb.png": png(12_000, 12_000),
    "gigapixels.tif": tiff(2**31, 2**31),
    "bomb.tif": tiff(12_000, 12_000),
    "gigapixels.bmp": bmp(2**30, 2**30),
    "gigapixels.gif": gif(65_535, 65_535),
    "a-program.png": EPS,
}  # fmt: skip


def promising(path: Path, shape: tuple[int, ...], labels: object = "f8") -> None:
    """An HDF5 file whose values were never written, so that it has a few thousand bytes."""
    with h5py.File(path, "w") as file:
        chunks = (8, *shape[1:])
        file.create_dataset("images", shape, "u1", chunks=chunks, compression="gzip")
        file.create_dataset("labels", (shape[0], 6), labels, chunks=(8, 6))


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    for name, data in BOMBS.items():
        (folder / name).write_bytes(data)
    promising(folder / "terabytes.h5", (2**31, 64, 64, 3))
    promising(folder / "large.h5", (10**4, 5000, 5000, 3))
    promising(folder / "bomb.h5", (480_000, 64, 64, 3))
    promising(folder / "texts.h5", (8, 64, 64, 3), h5py.string_dtype())
    rows = pd.DataFrame({"x": np.zeros(20_000_000, bool)})
    rows.to_parquet(folder / "rows.parquet", compression="gzip")
    assert max(path.stat().st_size for path in folder.iterdir()) < 5_000_000
    return folder


def test_no_bomb_takes_memory(bombs, tmp_path):
    """All in one process whose peak is measured, in an empty folder that stays empty."""
    code = (
        "import json, resource, sys; from pathlib import Path\n"
        "from tests.datasets.test_hostile import images, read, RdpipeError\n"
        "told = {}\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    try: read(path); told[path.name] = 'taken', 0\n"
        "    except RdpipeError as error:\n"
        "        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "        told[path.name] = str(error), 1024 * (after - before)\n"
        "print(json.dumps(told))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(bombs)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{root / 'src'}:{root}"},
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told) == len(BOMBS) + 5
    for name, (sentence, memory) in told.items():
        assert name in sentence and sentence.isprintable(), (name, sentence)
        assert memory < MEMORY, (name, memory)
    assert list(tmp_path.iterdir()) == []


# --- names and links ----------------------------------------------------------------------------


def write_own(out: Path, source: Path, factors: Path | None = None) -> None:
    paths = [path for path in (source, factors) if path]
    images.write_dataset(
        out,
        images=str(source),
        factors=str(factors) if factors else None,
        content=own_files.content(paths),
        size=None,
    )


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((4, 4), 200, np.uint8)).save(folder / name)
    return folder


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "a\nb.png", "..", "a.png/../a.png"])
def test_a_table_names_no_file_outside_the_folder(pictures, tmp_path, name):
    table = tmp_path / "f.csv"
    pd.DataFrame({"file": ["a.png", "b.png", name], "x": [0, 1, 2]}).to_csv(table, index=False)
    (tmp_path / "out").mkdir()
    with pytest.raises(RdpipeError, match="a row for the missing picture") as refused:
        write_own(tmp_path / "out", pictures, table)
    assert str(refused.value).isprintable()


def test_a_pipe_is_not_waited_for(pictures, tmp_path):
    (tmp_path / "out").mkdir()
    for pipe in (tmp_path / "x.npy", pictures / "c.png"):
        os.mkfifo(pipe)
        source = pictures if pipe.parent == pictures else pipe
        assert own_files.content([source]) is None
        assert count(tmp_path / "x.npy") is None
        with pytest.raises(RdpipeError, match=f"{pipe} is no ordinary file"):
            write_own(tmp_path / "out", source)


def test_a_link_to_something_that_is_no_picture_is_told(pictures, tmp_path):
    (tmp_path / "secret").write_text("pass:word")
    (pictures / "c.png").symlink_to(tmp_path / "secret")
    (tmp_path / "out").mkdir()
    with pytest.raises(RdpipeError, match=r"c.png cannot be read as a picture") as refused:
        write_own(tmp_path / "out", pictures)
    assert "pass:word" not in str(refused.value)


@pytest.mark.parametrize("name", ["a\nb.png", "a\x1b[31m.png", "a\u2028b.png"])
def test_a_name_with_a_control_character_is_told_in_one_line(pictures, tmp_path, name):
    (pictures / "a.png").rename(pictures / name)
    (tmp_path / "out").mkdir()
    with pytest.raises(RdpipeError, match="whose name has a line break or another") as refused:
        write_own(tmp_path / "out", pictures)
    assert str(refused.value).isprintable()


def test_a_folder_of_tables_is_no_table(pictures, tmp_path):
    (tmp_path / "f.parquet").mkdir()
    pd.DataFrame({"x": [0, 1]}).to_parquet(tmp_path / "f.parquet" / "part.parquet")
    with pytest.raises(RdpipeError, match=r"f.parquet is no ordinary file"):
        write_own(tmp_path, pictures, tmp_path / "f.parquet")


def test_a_path_adds_no_column_to_a_table(tmp_path):
    path = tmp_path / "beta=1" / "f.parquet"
    path.parent.mkdir()
    pd.DataFrame({"x": range(8)}).to_parquet(path)
    assert list(images.read_factors(path, pd.DataFrame({"row": range(8)}))) == ["x"]


@pytest.mark.parametrize("name", ["f.csv", "f.parquet"])
def test_a_column_that_is_named_twice_is_told(tmp_path, name):
    path = tmp_path / name
    if name == "f.csv":
        path.write_text("x,x\n" + 8 * "1,2\n")
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_arrays(2 * [pa.array(range(8))], names=["x", "x"]), path)
    with pytest.raises(RdpipeError, match=rf"{name} (has two columns x|cannot be read as a table)"):
        images.read_factors(path, pd.DataFrame({"row": range(8)}))


# --- whatever bytes -----------------------------------------------------------------------------


def _whole_files() -> dict[str, bytes]:
    """One small file of each form, as it should be."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (8, 4, 4), np.uint8)
    table = pd.DataFrame({"x": np.arange(8), "y": np.linspace(0, 1, 8)})
    found = {
        "x.idx.gz": IDX + struct.pack(">III", 8, 4, 4) + pixels.tobytes(),
        "x.mat.gz": NORB + struct.pack("<iiii", 4, 2, 4, 4) + pixels.tobytes(),
        "x.tar.gz": _batches(),
        "x.csv": table.to_csv(index=False).encode(),
        "x.parquet": table.to_parquet(),
    }
    for name, save in {
        "x.npy": partial(np.save, arr=pixels),
        "y.npy": partial(np.save, arr=pixels / 255),
        "x.npz": partial(np.savez, images=pixels, x=pixels),
        "y.npz": partial(np.savez_compressed, only=pixels),
        "x.sprites.npz": partial(
            np.savez_compressed, imgs=pixels % 2, latents_values=np.zeros((8, 6))
        ),
    }.items():
        file = io.BytesIO()
        save(file)
        found[name] = file.getvalue()
    for kind in ("png", "bmp", "gif", "jpeg", "tiff", "webp"):
        for name, array in {"x": pixels[0], "y": np.stack(3 * [pixels[1]], axis=-1)}.items():
            file = io.BytesIO()
            exif = Image.Exif()
            exif[0x0112] = 6
            Image.fromarray(array).save(file, kind, exif=exif)
            found[f"{name}.{kind}"] = file.getvalue()
    return found


def _batches() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in cifar10.BATCHES:
            info = tarfile.TarInfo(name)
            info.size = 3073
            archive.addfile(info, io.BytesIO(bytes(3073)))
    return file.getvalue()


WHOLE = _whole_files()


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file of some form: a whole one with bytes changed, cut, added or moved, or anything."""
    name = draw(st.sampled_from(sorted(WHOLE)))
    data = bytearray(WHOLE[name])
    place = st.integers(0, len(data))
    if draw(st.integers(0, 9)) == 0:
        data = bytearray(draw(st.binary(max_size=300)))
    else:
        for _ in range(draw(st.integers(1, 4))):
            first, last = sorted((draw(place), draw(place)))
            match draw(st.sampled_from(["bytes", "number", "cut", "twice"])):
                case "bytes":
                    new = draw(st.binary(min_size=1, max_size=4))
                    data[first : first + len(new)] = new
                case "number":
                    value = draw(st.sampled_from([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
                    data[first : first + 4] = struct.pack(draw(st.sampled_from("<>")) + "I", value)
                case "cut":
                    del data[first:last]
                case "twice":
                    data[first:first] = data[first:last]
    whole = bytes(data)
    return name, gzip.compress(whole, 1) if name.endswith(".gz") else whole


@given(damaged())
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_bytes_are_taken_or_told_in_one_line(tmp_path_factory, file):
    name, data = file
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data)
    told = ""
    try:
        read(path)
    except RdpipeError as error:
        told = str(error)
    assert not told or (name in told and told.isprintable())
