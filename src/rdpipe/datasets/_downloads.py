"""Files of public datasets: found in a folder, or downloaded into it, and verified.

Requests and urllib3 retry a request, but cannot go on with a file that broke off. They also ask the
same server several times before it is given up. Here the next mirror is asked at once, and a file
goes on from where any mirror left it.
"""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pooch
import requests
from filelock import FileLock
from urllib3.exceptions import HTTPError

from rdpipe.common.errors import RdpipeError
from rdpipe.common.progress import Progress

log = logging.getLogger("rdpipe")

ROUNDS = 4  # attempts at all mirrors that bring nothing; after the n-th, n seconds of pause
TIMEOUT = (15, 60)  # seconds to connect, and to wait for the next bytes
CHUNK = 1 << 18  # bytes

pooch.get_logger().setLevel(logging.WARNING)  # this module writes the job's log


def fetch_all(
    dataset: str, files: Mapping[str, str], mirrors: Sequence[str], folder: Path
) -> list[Path]:
    """Paths of all files of a dataset, each verified, in the order of `files`.

    Parameters
    ----------
    dataset
        The dataset's name in messages.
    files
        Hex sha256 of each file, by name.
    mirrors
        URLs to which a file's name is appended; messages give the first.
    folder
        Where the files are looked for, and downloaded to.

    Raises
    ------
    RdpipeError
        If a file in the folder has other content, or a file is missing and no mirror has it.
    """
    try:
        return [
            fetch(name, sha256=sha256, urls=[url + name for url in mirrors], folder=folder)
            for name, sha256 in files.items()
        ]
    except OSError as error:
        missing = [name for name in files if not os.access(folder / name, os.R_OK)]
        if not missing:
            raise RdpipeError(
                f"{dataset} cannot be read from {folder.resolve()}: {error}."
            ) from None
        them = "it" if len(missing) == 1 else "them"
        raise RdpipeError(
            f"{dataset} lacks {', '.join(missing)}, and downloading failed ({error}); fetch {them} "
            f"from {mirrors[0]} by hand and put {them} into {folder.resolve()}."
        ) from None


def fetch(name: str, *, sha256: str, urls: Sequence[str], folder: Path) -> Path:
    """Path of one verified file, downloaded if the folder does not have it.

    An interrupted download goes on from `<name>.part`. If two jobs want one file, the second waits
    for the first.

    Raises
    ------
    RdpipeError
        If the file is there with other content; such a file is never overwritten.
    ConnectionError
        If no URL gives the file, with the reason for each.
    """
    path = folder / name
    if path.exists():  # before anything is written: the folder may be read-only
        return _verified(path, sha256)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{name}.lock", mode=0o666):  # for other users, too
        if not path.exists():
            _download_from_any(urls, path, sha256)
    return _verified(path, sha256)


def _verified(path: Path, sha256: str) -> Path:
    found = pooch.file_hash(str(path), alg="sha256")
    if found != sha256:
        raise RdpipeError(
            f"{path} is not the published file: its sha256 is {found}, not {sha256}; "
            "remove it, so that it is downloaded anew, or put the published one there."
        )
    return path


def _download_from_any(urls: Sequence[str], path: Path, sha256: str) -> None:
    """Try all URLs in turn, and again as long as this brings more of the file."""
    part = path.with_name(f"{path.name}.part")
    useful, reasons = list(urls), {}
    most = failures = 0
    while useful and failures < ROUNDS:
        time.sleep(failures)
        for url in tuple(useful):
            resumed = part.exists()
            log.info("%s %s", "going on with" if resumed else "downloading", url)
            try:
                pooch.retrieve(
                    url,
                    known_hash=f"sha256:{sha256}",
                    fname=path.name,
                    path=path.parent,
                    downloader=partial(_download, part=part),
                )
                return
            except requests.HTTPError as error:
                status = getattr(error.response, "status_code", 0)
                reasons[url] = f"answer {status}"
                if status < 500:  # the server works, but has no such file
                    useful.remove(url)
            except (requests.RequestException, HTTPError) as error:
                reasons[url] = type(error).__name__
            except ValueError:  # pooch found other bytes than known_hash
                reasons[url] = "other content than was published"
                if not resumed:  # else the part that was there before may be wrong
                    useful.remove(url)
            log.info("%s: %s", url, reasons[url])
        size = part.stat().st_size if part.exists() else 0
        failures = 0 if size > most else failures + 1
        most = max(most, size)
    raise ConnectionError("; ".join(f"{url}: {reason}" for url, reason in reasons.items()))


def _download(url: str, output_file: str, _pooch: Any, *, part: Path) -> None:
    """Download for pooch: go on with `part`, and move it to `output_file` when it is whole."""
    done = part.stat().st_size if part.exists() else 0
    # Some servers compress a file again, or declare a .gz file as compressed text. Requests must
    # not decompress such a file: hence `identity` here and the raw bytes below.
    headers = {"Range": f"bytes={done}-", "Accept-Encoding": "identity"}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code != 416:  # nothing is left to send; the digest is checked later
            response.raise_for_status()
            if response.status_code != 206:  # the server ignores ranges and sends the whole file
                done = 0
            total = done + int(response.headers.get("Content-Length", 0))
            progress = Progress(total, f"{part.stem}, bytes", done)
            with part.open("ab" if done else "wb") as file:
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    file.write(chunk)
                    if "Content-Length" in response.headers:
                        progress.update(len(chunk))
    part.replace(output_file)
