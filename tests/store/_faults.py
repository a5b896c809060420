"""Operations on files: counted, failed at will, taken in turns, and recorded.

Everything in Python that touches a file goes through functions of `os` and through `open`. `Layer`
takes their places. It looks only at paths in one folder, and lets a test decide before each
operation whether it may happen.
"""

import builtins
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

# functions of os whose first argument is a path
PATHS = [
    "open",
    "mkdir",
    "rename",
    "replace",
    "chmod",
    "symlink",
    "unlink",
    "rmdir",
    "stat",
    "lstat",
    "scandir",
    "listdir",
    "readlink",
    "link",
    "utime",
]


class Layer:
    """Stands before the operations on one folder.

    Parameters
    ----------
    folder
        The folder. Other paths are left alone.
    before
        Is called before each operation with its name, such as "write", and its arguments. It may
        raise.
    """

    def __init__(self, folder: Path, before: Callable[..., None]) -> None:
        self.folder, self.before = str(folder), before
        self._real = {name: getattr(os, name) for name in [*PATHS, "fsync"]}
        self._open = io.open

    def __enter__(self) -> "Layer":
        self._patch = pytest.MonkeyPatch()
        for name in PATHS:
            self._patch.setattr(os, name, self._of_path(name))
        self._patch.setattr(os, "fsync", self._fsync)
        self._patch.setattr(io, "open", self._open_file)
        self._patch.setattr(builtins, "open", self._open_file)
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def inside(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.folder)

    def _of_path(self, name):
        real = self._real[name]

        def operation(path=".", *more, **named):
            if self.inside(path) or "dir_fd" in named or (more and self.inside(more[0])):
                self.before(name, path, *more)
            return real(path, *more, **named)

        return operation

    def _fsync(self, number):
        self.before("fsync", number)  # a test has no power cuts: nothing needs to be on the disk

    def _open_file(self, file, mode="r", buffering=-1, encoding=None, *rest, **named):
        if not self.inside(file):
            return self._open(file, mode, buffering, encoding, *rest, **named)
        self.before("open", file, mode)
        raw = _File(self, file, mode.translate({ord("b"): None, ord("t"): None}))
        buffered = io.BufferedReader(raw) if mode[0] == "r" else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding or "utf-8")


class _File(io.FileIO):
    def __init__(self, layer: Layer, file, mode: str) -> None:
        super().__init__(file, mode)
        self._layer = layer

    def write(self, data):
        self._layer.before("write", self.name, bytes(data))
        return super().write(data)

    def readinto(self, buffer):
        self._layer.before("read", self.name)
        return super().readinto(buffer)

    def readall(self):
        self._layer.before("read", self.name)
        return super().readall()
