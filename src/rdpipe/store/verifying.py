"""Verification: read what a store keeps, and say what is not as its record says.

A large store is read in parts, which are ranges of keys. Part 3 of 10 is therefore the same at
every call. A call that is interrupted leaves a note. The next call that is asked the same goes on
where the note ends.
"""

import os
import re
import stat
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rdpipe.common.atomic import replacing
from rdpipe.common.errors import RdpipeError
from rdpipe.common.files import read_json, write_json
from rdpipe.store.objects import RECORD, Damaged, Files, Store, read
from rdpipe.store.roots import links

STATUS = {"damaged": 4, "unreadable": 8, "missing": 16, "unfinished": 0}
"""The kinds of findings, and what each adds to the exit status of `rdpipe verify`.

An object is damaged if it is not what its record says. An object that is unreadable may be whole.
A link is missing its file. An unfinished file or folder is no fault: a job that runs, or was
killed, has written a part of it.
"""

MODE = 0o444  # of all files in objects
KEY = re.compile(r"[0-9a-f]{64}")
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}")  # the names of `replacing`
THREADS = 4  # so that the disk is read while digests are computed
NOTE_EVERY = 5.0  # s


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be: its kind (see STATUS), its path, and the reason."""

    kind: str
    path: Path
    reason: str


@dataclass(frozen=True)
class Question:
    """Which objects to read.

    Attributes
    ----------
    part, parts
        Part 1 to `parts` of all keys.
    percent
        If given, this share of all keys. Each call reads the share after that of the last call.
    newest
        If given, only objects that the store got in the last so many seconds.
    """

    part: int = 1
    parts: int = 1
    percent: float | None = None
    newest: float | None = None


WHOLE = Question()
_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}  # s


def question(part: str, percent: float | None, newest: str | None) -> Question:
    """A question from words such as "3/10" and "1d".

    Raises
    ------
    RdpipeError
        If it cannot be understood.
    """
    of_parts = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", part)
    if not of_parts or not 1 <= int(of_parts[1]) <= int(of_parts[2]):
        raise RdpipeError(f"--part {part} is no part such as 1/10, 2/10, … or 10/10.")
    if percent is not None and not 0 < percent <= 100:
        raise RdpipeError(f"--percent {percent:g} is not above 0 and up to 100.")
    if percent is not None and part != "1/1":
        raise RdpipeError("--part and --percent exclude each other; give one of them.")
    age = re.fullmatch(r"([0-9]{1,6})([hdw])", newest or "0h")
    if not age:
        raise RdpipeError(f"--newest {newest} is no time such as 6h, 1d or 2w.")
    seconds = int(age[1]) * _UNITS[age[2]] if newest else None
    return Question(int(of_parts[1]), int(of_parts[2]), percent, seconds)


def verify(
    store: Store, question: Question, note: Path
) -> Generator[tuple[int, list[Finding]], None, None]:
    """Read objects one by one.

    Parameters
    ----------
    store
        The store. It may be read-only.
    question
        Which objects to read.
    note
        A file that keeps how far a call came, until a call has come to the end.

    Yields
    ------
    tuple of int and list of Finding
        How many objects are left to read, and the findings of one more object. The first item has
        read none, and has folders of the store that cannot be listed.
    """
    noted = _read_note(note, question)
    first, last = _span(question, noted["from"])
    folders, unlisted = _objects(store)
    folders = [folder for folder in folders if first <= _place(folder.name) < last]
    if question.newest is not None:
        since = time.time() - question.newest
        folders = [folder for folder in folders if _changed(folder) >= since]
    faulty = set(noted["faulty"])  # by an interrupted call; perhaps mended since, so read again
    folders = [one for one in folders if one.name > noted["after"] or one.name in faulty]
    yield len(folders), unlisted
    written = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for left, (folder, findings) in zip(
                reversed(range(len(folders))),
                zip(folders, pool.map(examine, folders), strict=True),
                strict=True,
            ):
                (faulty.add if findings else faulty.discard)(folder.name)
                noted |= {"after": max(noted["after"], folder.name), "faulty": sorted(faulty)}
                yield left, findings
                if time.monotonic() - written > NOTE_EVERY:
                    _write_note(note, noted)
                    written = time.monotonic()
        except BaseException:  # also of a caller that wants no more
            pool.shutdown(cancel_futures=True)
            _write_note(note, noted)
            raise
    if start := last % 1 if question.percent else noted["from"]:
        _write_note(note, {"from": start})
    else:
        note.unlink(missing_ok=True)


def check_links(
    results: Path, store: Store, question: Question = WHOLE, note: Path | None = None
) -> Iterator[Finding]:
    """Look whether the links in a folder of results lead to files.

    Only links to the objects that `verify` reads next count; if those are the newest, all links.
    """
    first, last = _span(question, _read_note(note, question)["from"] if note else 0)
    if not results.exists():
        return
    try:
        for link, target in links(results, store):
            if TEMPORARY.fullmatch(link.name):
                yield Finding("unfinished", link, "is the link of a job that runs or was killed")
            elif first <= _place(target.parent.name) < last:
                yield from _fault_of(link, target)
    except OSError as error:
        yield Finding("unreadable", Path(error.filename or results), str(error.strerror))


def unfinished(store: Store) -> Iterator[Finding]:
    """What jobs that run, or were killed, have written only in part."""
    for folder, pattern in (("tmp", "*"), ("state", ".*")):
        for path in sorted((store.root / folder).glob(pattern)):
            yield Finding("unfinished", path, "is of a job that runs or was killed")


def examine(folder: Path) -> list[Finding]:
    """All that is wrong with one object, of which every file is read.

    An object that another process has just moved away has no fault.
    """
    try:
        found = _faults(folder)
        # what another process puts in place meanwhile may look damaged once
        return [fault for fault in _faults(folder) if fault in found] if found else []
    except FileNotFoundError:
        return []
    except OSError as error:
        return [Finding("unreadable", folder, str(error.strerror))]


def may_be_repaired(finding: Finding) -> bool:
    """Whether `repair` may touch the path of a finding: damage, or one unreadable object."""
    return finding.kind == "damaged" or (
        finding.kind == "unreadable" and bool(KEY.fullmatch(finding.path.name))
    )


def repair(store: Store, folder: Path) -> str:
    """Put right an object with findings, in place if its own bytes are whole.

    Otherwise it is set aside, so that it can be computed again.

    Returns
    -------
    str
        What was done, for people.
    """
    try:
        if not KEY.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
            _put_aside(store, folder)
            return "set aside"
        for path in folder.iterdir():
            if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) != MODE:
                with suppress(PermissionError):  # of another user
                    path.chmod(MODE)
        if store.find(folder.name) is None:
            return "set aside"
        known = {RECORD, *read(folder, folder.name)}
        for path in list(folder.iterdir()):
            if path.is_symlink() and path.name in known:
                _put_aside(store, folder)
                return "set aside"
            if path.name not in known:
                _put_aside(store, path)
    except (OSError, RdpipeError, Damaged) as error:
        return f"stays: {error}"
    return f"stays: {left[0].reason}" if (left := examine(folder)) else "mended"


def _faults(folder: Path) -> list[Finding]:
    mode = folder.lstat().st_mode
    if not KEY.fullmatch(folder.name):
        return [Finding("damaged", folder, "is no object")]
    if not stat.S_ISDIR(mode):
        return [Finding("damaged", folder, "is a link" if stat.S_ISLNK(mode) else "is no folder")]
    found: list[Finding] = []
    files: Files | None = None
    entries = {entry.name: entry for entry in os.scandir(folder)}
    try:
        files = read(folder, folder.name)
    except Damaged as damage:
        found.append(Finding("damaged", folder, str(damage)))
    except OSError as error:
        name = Path(error.filename or folder).name
        found.append(Finding("unreadable", folder, f"{name}: {error.strerror}"))
    for name, entry in sorted(entries.items()):
        if files is not None and name not in files and name != RECORD:
            found.append(Finding("damaged", folder, f"{RECORD} does not know {name}"))
        elif entry.is_symlink():
            found.append(Finding("damaged", folder, f"{name} is a link"))
        elif stat.S_IMODE(mode := entry.stat().st_mode) != MODE:
            octal = f"{stat.S_IMODE(mode):04o}"
            found.append(Finding("damaged", folder, f"{name} has mode {octal}, not {MODE:04o}"))
    return found


def _fault_of(link: Path, target: Path) -> Iterator[Finding]:
    try:
        target.stat()
    except (FileNotFoundError, NotADirectoryError):
        part = target.name if target.parent.is_dir() else "object"
        yield Finding("missing", link, f"leads to no file: the {part} is gone")
    except OSError as error:
        yield Finding("unreadable", link, str(error.strerror))


def _put_aside(store: Store, path: Path) -> None:
    path.rename(store.folder("damaged") / f"{path.name[:12]}-{os.urandom(4).hex()}")


def _objects(store: Store) -> tuple[list[Path], list[Finding]]:
    """All objects in the order of their keys, and folders that cannot be listed."""
    folders: list[Path] = []
    unlisted: list[Finding] = []
    waiting = [store.root / "objects"]
    while waiting:
        parent = waiting.pop()
        try:
            paths = list(parent.iterdir())
        except FileNotFoundError:  # a store without objects
            continue
        except NotADirectoryError:
            unlisted.append(Finding("damaged", parent, "is no folder"))
            continue
        except OSError as error:
            unlisted.append(Finding("unreadable", parent, str(error.strerror)))
            continue
        if parent.name == "objects":
            waiting += paths
        else:
            folders += paths
    return sorted(folders, key=lambda folder: folder.name), unlisted


def _place(name: str) -> float:
    """Where a key lies among all keys, from 0 to 1; what is no key lies at 0."""
    return int(name[:12], 16) / 16**12 if KEY.fullmatch(name) else 0.0


def _span(question: Question, start: float) -> tuple[float, float]:
    """The range of places that a question asks for."""
    if question.percent is not None:
        return start, min(1.0, start + question.percent / 100)
    return (question.part - 1) / question.parts, question.part / question.parts


def _changed(folder: Path) -> float:
    with suppress(OSError):
        return folder.lstat().st_ctime
    return 0.0


def _read_note(note: Path, question: Question) -> dict[str, Any]:
    """How far a call with this question came, and where the next share begins."""
    noted = {"question": asdict(question), "from": 0.0, "after": "", "faulty": []}
    with suppress(OSError, ValueError, LookupError, TypeError):
        said = read_json(note)
        noted["from"] = float(said["from"])
        if said.get("question") == noted["question"]:
            noted |= {"after": str(said["after"]), "faulty": list(map(str, said["faulty"]))}
    return noted


def _write_note(note: Path, noted: dict[str, Any]) -> None:
    # where no note can be written, the next call starts at the beginning
    with suppress(OSError), replacing(note) as new:
        write_json(new, noted)
