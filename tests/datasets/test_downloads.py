"""Downloads, against a small server that misbehaves in the ways real ones do."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from rdpipe.common.errors import RdpipeError
from rdpipe.datasets import _downloads
from rdpipe.datasets._downloads import fetch, fetch_all

DATA = np.random.default_rng(0).bytes(700_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """What is asked for is how to answer: /drops/x, /plain/x, /wrong/x, /missing/x, /busy/x …"""

    def do_GET(self) -> None:
        manner = self.path.split("/")[1]
        asked = self.headers.get("Range")
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        self.server.asked.append((manner, first))  # type: ignore[attr-defined]
        getattr(self, manner)(first)

    def drops(self, first: int) -> None:
        """Knows ranges, and breaks off after 300,000 bytes."""
        self._send(206, DATA[first:], stop=300_000, Content_Range=f"bytes {first}-/*")

    def rangeless(self, first: int) -> None:
        """Knows no ranges, and breaks off at the first time."""
        attempts = [manner for manner, _ in self.server.asked]  # type: ignore[attr-defined]
        self._send(200, DATA, stop=300_000 if attempts.count("rangeless") == 1 else len(DATA))

    def compressed(self, first: int) -> None:
        """Says of a .gz file, as some servers do, that it is compressed text."""
        self._send(200, DATA, Content_Encoding="gzip")

    def plain(self, first: int) -> None:
        self._send(206, DATA[first:]) if first < len(DATA) else self.send_error(416)

    def wrong(self, first: int) -> None:
        self._send(200, b"<html>Log in first</html>")

    def missing(self, first: int) -> None:
        self.send_error(404)

    def busy(self, first: int) -> None:
        """Too busy at the first time."""
        self._fails_first("busy", 503)

    def faulty(self, first: int) -> None:
        """Has a fault of its own at the first time."""
        self._fails_first("faulty", 500)

    def _fails_first(self, manner: str, status: int) -> None:
        attempts = [asked for asked, _ in self.server.asked].count(manner)  # type: ignore[attr-defined]
        self.send_error(status) if attempts == 1 else self._send(200, DATA)

    def _send(self, status: int, data: bytes, stop: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data[:stop])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def url(server: ThreadingHTTPServer) -> Callable[[str], str]:
    return lambda manner: f"http://127.0.0.1:{server.server_port}/{manner}/x.gz"


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_downloads, "ROUNDS", 2)
    monkeypatch.setattr(_downloads, "TIMEOUT", (2, 5))
    monkeypatch.setattr(_downloads.time, "sleep", lambda seconds: None)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


@pytest.mark.parametrize("manner", ["plain", "rangeless", "compressed", "busy", "faulty"])
def test_a_file_is_downloaded_byte_for_byte(manner, url, tmp_path) -> None:
    path = fetch("x.gz", sha256=SHA256, urls=[url(manner)], folder=tmp_path / "new")
    assert path.read_bytes() == DATA
    assert names(tmp_path / "new") == {"x.gz"}
    assert path.stat().st_mode & 0o444 == 0o444  # readable to others, unlike a temporary file


def test_an_interrupted_download_goes_on_where_it_stopped(server, url, tmp_path) -> None:
    path = fetch("x.gz", sha256=SHA256, urls=[url("drops")], folder=tmp_path)
    assert path.read_bytes() == DATA
    assert server.asked == [("drops", 0), ("drops", 300_000), ("drops", 600_000)]


def test_the_next_job_goes_on_with_what_a_killed_one_left(server, url, tmp_path) -> None:
    (tmp_path / "x.gz.part").write_bytes(DATA[:650_000])
    fetch("x.gz", sha256=SHA256, urls=[url("plain")], folder=tmp_path)
    assert server.asked == [("plain", 650_000)]
    assert names(tmp_path) == {"x.gz"}


@pytest.mark.parametrize("rest", [b"other bytes", DATA, DATA + b"too many"])
def test_a_remnant_of_whatever_content_does_no_harm(rest, url, tmp_path) -> None:
    (tmp_path / "x.gz.part").write_bytes(rest)
    path = fetch("x.gz", sha256=SHA256, urls=[url("plain")], folder=tmp_path)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("first", ["missing", "wrong", "drops"])
def test_the_next_mirror_is_asked_when_one_fails(first, server, url, tmp_path) -> None:
    fetch("x.gz", sha256=SHA256, urls=[url(first), url("plain")], folder=tmp_path)
    assert [manner for manner, _ in server.asked] == [first, "plain"]


def test_a_file_put_there_by_hand_needs_no_network_and_no_writing(tmp_path) -> None:
    (tmp_path / "x.gz").write_bytes(DATA)
    tmp_path.chmod(0o555)
    try:
        assert fetch("x.gz", sha256=SHA256, urls=[], folder=tmp_path) == tmp_path / "x.gz"
    finally:
        tmp_path.chmod(0o755)
    assert [path.name for path in tmp_path.iterdir()] == ["x.gz"]


def test_a_file_with_other_content_is_refused_and_left_alone(server, url, tmp_path) -> None:
    (tmp_path / "x.gz").write_bytes(b"mine")
    found = hashlib.sha256(b"mine").hexdigest()
    with pytest.raises(RdpipeError, match=f"x.gz is not .* {found}, not {SHA256}; remove it"):
        fetch("x.gz", sha256=SHA256, urls=[url("plain")], folder=tmp_path)
    assert (tmp_path / "x.gz").read_bytes() == b"mine"
    assert server.asked == []


def test_without_a_source_one_sentence_says_what_to_fetch_and_where_to_put_it(
    server, tmp_path
) -> None:
    (tmp_path / "here.gz").write_bytes(DATA)
    base = f"http://127.0.0.1:{server.server_port}"
    files = dict.fromkeys(("here.gz", "a.gz", "b.gz"), SHA256)
    with pytest.raises(RdpipeError) as error:
        fetch_all("MNIST", files, [f"{base}/missing/", f"{base}/wrong/"], tmp_path)
    assert str(error.value) == (
        f"MNIST lacks a.gz, b.gz, and downloading failed ({base}/missing/a.gz: answer 404; "
        f"{base}/wrong/a.gz: other content than was published); fetch them from {base}/missing/ "
        f"by hand and put them into {tmp_path}."
    )
    assert names(tmp_path) == {"here.gz"}


def test_without_a_network_the_sentence_is_the_same(tmp_path) -> None:
    closed = "http://127.0.0.1:9/"  # nobody listens there
    with pytest.raises(RdpipeError, match=r"lacks x.gz, .*ConnectionError.* put it into"):
        fetch_all("MNIST", {"x.gz": SHA256}, [closed], tmp_path)


def test_two_jobs_download_one_file_once(server, url, tmp_path) -> None:
    def job(_: int) -> bytes:
        return fetch("x.gz", sha256=SHA256, urls=[url("plain")], folder=tmp_path).read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(job, range(4))) == {DATA}
    assert server.asked == [("plain", 0)]
