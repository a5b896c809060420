"""What a power cut may leave: a model of a disk that has lost or reordered unflushed operations.

A flush of a file keeps the bytes written before it; a flush of a folder keeps the names given and
taken in it before. Of all later operations, any may be lost. A file whose bytes are lost has zeros
in their place, or is shorter. This is less than most file systems promise.
"""

import os
from pathlib import Path
from random import Random

from ._faults import Layer

FOLDER, FILE, LINK = "folder", "file", "link"


class Recorder(Layer):
    """Records operations on a folder as a list of (kind, number of the file or folder, ...)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, self._record)
        self.log: list[tuple] = []
        self.kinds = {0: FOLDER}
        self.targets: dict[int, str] = {}
        self._known = {str(folder): 0}  # path -> number

    def _record(self, name, *arguments):
        if name == "open" and _creates(arguments[1]):
            self._new(FILE, arguments[0])
        elif name == "write":
            self.log.append(("write", self._known[str(arguments[0])], arguments[1]))
        elif name == "mkdir" and not Path(arguments[0]).is_dir():
            self._new(FOLDER, arguments[0])
        elif name == "symlink":
            self.targets[self._new(LINK, arguments[1])] = str(arguments[0])
        elif name in ("rename", "replace"):
            self._move(*map(str, arguments[:2]))
        elif name in ("unlink", "rmdir") and str(arguments[0]) in self._known:
            self._name("take", str(arguments[0]), self._known.pop(str(arguments[0])))
        elif name == "fsync":
            path = str(Path(f"/proc/self/fd/{arguments[0]}").readlink())
            if path in self._known:
                self.log.append(("flush", self._known[path]))

    def _new(self, kind, path):
        number = self._known[str(path)] = len(self.kinds)
        self.kinds[number] = kind
        self._name("give", str(path), number)
        return number

    def _name(self, what, path, number):
        parent, name = os.path.split(path)
        self.log.append((what, self._known[parent], name, number))

    def _move(self, old, new):
        number = self._known[old]
        self._name("give", new, number)
        self._name("take", old, number)
        moved = [path for path in self._known if path == old or path.startswith(old + "/")]
        for path in moved:
            self._known[new + path.removeprefix(old)] = self._known.pop(path)


def _creates(how: str | int) -> bool:
    """Whether a file is opened to be made: the mode of `open`, or the flags of `os.open`."""
    return how[0] in "wx" if isinstance(how, str) else bool(how & os.O_CREAT)


def after_cut(recorder: Recorder, random: Random, folder: Path, flushes=(FILE, FOLDER)) -> int:
    """Write into a folder what a cut at a random moment may leave, and return that moment.

    Only flushes of these kinds work.
    """
    end = random.choice([len(recorder.log), random.randrange(len(recorder.log))])
    log = recorder.log[:end]
    kept = {what: random.choice([0.5, 0.9, 0.99, 1.0]) for what in ("write", "give", "take")}
    flushed: set[int] = set()
    entries: dict[int, dict[str, int]] = {n: {} for n in recorder.kinds}
    data: dict[int, list[tuple[bytes, bool]]] = {n: [] for n in recorder.kinds}
    survives = [False] * end
    for i in reversed(range(end)):
        what, number, *_ = log[i]
        if what == "flush" and recorder.kinds[number] in flushes:
            flushed.add(number)
        survives[i] = number in flushed or random.random() < kept.get(what, 0)
    for i, (what, number, *rest) in enumerate(log):
        if what == "write":
            data[number].append((rest[0], survives[i]))
        elif what == "give" and survives[i]:
            entries[number][rest[0]] = rest[1]
        elif what == "take" and survives[i] and entries[number].get(rest[0]) == rest[1]:
            del entries[number][rest[0]]

    def write(number: int, path: Path) -> None:
        if recorder.kinds[number] == FOLDER:
            path.mkdir(exist_ok=True)
            for name, inside in entries[number].items():
                write(inside, path / name)
        elif recorder.kinds[number] == LINK:
            path.symlink_to(recorder.targets[number].replace(recorder.folder, str(folder), 1))
        else:
            parts = [part if sure else bytes(len(part)) for part, sure in data[number]]
            sure = [sure for _, sure in data[number]]
            if not all(sure) and random.random() < 0.5:  # the length is lost, too
                parts = parts[: sure.index(False)]
            path.write_bytes(b"".join(parts))

    write(0, folder)
    return end
