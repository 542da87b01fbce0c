"""`download_published` against a real HTTP server on this machine."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pengi_stream.errors import CheckpointError, ConfigError
from pengi_stream.models.pengi.published.download import NAMES, download_published
from pengi_stream.models.pengi.published.files import PUBLISHED

CONTENT = bytes(range(256)) * 4000
CUT = 300_000


@dataclass
class Zenodo:
    """What the server holds and how it misbehaves."""

    content: bytes = CONTENT
    stated: bytes = CONTENT
    """What the record's size and checksum are of"""
    algorithm: str = "md5"
    keys: tuple[str, ...] = ("configs.zip", "base.pth", "base_no_text_enc.pth")
    ranges: bool = True
    cut_after: int | None = None
    """Bytes after which the connection is cut, once"""
    status: int = 200
    url: str = ""
    asked: list[str | None] = field(default_factory=list)
    """The Range of each request for a file"""

    @property
    def record(self) -> dict[str, object]:
        checksum = f"{self.algorithm}:{hashlib.new(self.algorithm, self.stated).hexdigest()}"
        files = [
            {"id": key, "key": key, "size": len(self.stated), "checksum": checksum, "links": {"self": self.link(key)}}
            for key in self.keys
        ]
        return {"id": 8387083, "metadata": {"title": "Pengi"}, "files": files}

    @property
    def record_url(self) -> str:
        return f"{self.url}/api/records/8387083"

    def link(self, key: str) -> str:
        return f"{self.record_url}/files/{key}/content"


class Handler(BaseHTTPRequestHandler):
    zenodo: Zenodo

    def do_GET(self) -> None:
        if self.path.endswith("/content"):
            self._file()
        else:
            self._answer(self.zenodo.status, json.dumps(self.zenodo.record).encode(), {})

    def _file(self) -> None:
        wanted = self.headers["Range"]
        self.zenodo.asked.append(wanted)
        if wanted is None or not self.zenodo.ranges:
            return self._answer(200, self.zenodo.content, {})
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        size = len(self.zenodo.content)
        return self._answer(206, self.zenodo.content[start:], {"Content-Range": f"bytes {start}-{size - 1}/{size}"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.zenodo.cut_after if self.path.endswith("/content") else None
        self.wfile.write(body[:cut])
        if cut is not None:
            self.zenodo.cut_after = None

    def log_message(self, *_: object) -> None:
        """Nothing: tests ask `zenodo.asked`."""


@pytest.fixture
def zenodo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zenodo]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = type("ZenodoHandler", (Handler,), {"zenodo": Zenodo()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        handler.zenodo.url = f"http://127.0.0.1:{server.server_port}"
        yield handler.zenodo
        server.shutdown()
        thread.join()


Fetch = Callable[[], Path]


@pytest.fixture
def fetch(zenodo: Zenodo, tmp_path: Path) -> Fetch:
    """Downloads `base` from the server into the folder `fetched`."""
    return lambda: download_published("base", tmp_path / "fetched", zenodo.record_url, lambda done, size: None)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_names_are_those_of_the_published_configurations() -> None:
    assert set(NAMES) == set(PUBLISHED)


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_file_comes_under_its_published_name_and_is_told_as_it_comes(
    zenodo: Zenodo, tmp_path: Path, name: str
) -> None:
    told: list[tuple[int, int]] = []
    path = download_published(name, tmp_path / "a/b", zenodo.record_url, lambda done, size: told.append((done, size)))
    assert path == tmp_path / "a/b" / f"{name}.pth"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == [path.name]
    assert told == sorted(told)
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_another_checksum_than_md5_is_checked_as_well(zenodo: Zenodo, fetch: Fetch) -> None:
    zenodo.algorithm = "sha256"
    assert fetch().read_bytes() == CONTENT


def test_after_a_cut_connection_only_the_rest_is_fetched(zenodo: Zenodo, fetch: Fetch, tmp_path: Path) -> None:
    zenodo.cut_after = CUT
    with pytest.raises(CheckpointError, match="the same command again fetches the rest"):
        fetch()
    assert names(tmp_path / "fetched") == ["base.pth.partial"]
    kept = (tmp_path / "fetched/base.pth.partial").read_bytes()
    assert kept == CONTENT[: len(kept)]
    assert 0 < len(kept) <= CUT
    assert fetch().read_bytes() == CONTENT
    assert zenodo.asked == [None, f"bytes={len(kept)}-"]
    assert names(tmp_path / "fetched") == ["base.pth"]


def test_a_file_shorter_than_stated_can_be_gone_on_with(zenodo: Zenodo, fetch: Fetch) -> None:
    zenodo.content = CONTENT[:CUT]
    with pytest.raises(CheckpointError, match=rf"has {CUT} of {len(CONTENT)} bytes"):
        fetch()
    zenodo.content = CONTENT
    assert fetch().read_bytes() == CONTENT
    assert zenodo.asked == [None, f"bytes={CUT}-"]


def test_a_partial_file_that_is_whole_is_only_checked(zenodo: Zenodo, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched/base.pth.partial").write_bytes(CONTENT)
    assert fetch().read_bytes() == CONTENT
    assert zenodo.asked == []


def test_a_server_that_ignores_ranges_sends_all_again(zenodo: Zenodo, fetch: Fetch, tmp_path: Path) -> None:
    zenodo.ranges = False
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched/base.pth.partial").write_bytes(CONTENT[:1000])
    assert fetch().read_bytes() == CONTENT
    assert zenodo.asked == ["bytes=1000-"]


@pytest.mark.parametrize(
    "damaged", [b"\0" * len(CONTENT), CONTENT + b"more"], ids=["other bytes", "more bytes than stated"]
)
def test_a_damaged_file_is_set_aside_and_fetched_anew(
    zenodo: Zenodo, fetch: Fetch, tmp_path: Path, damaged: bytes
) -> None:
    zenodo.content = damaged
    with pytest.raises(CheckpointError, match=r"base\.pth came damaged.*md5:.*base\.pth\.damaged"):
        fetch()
    assert names(tmp_path / "fetched") == ["base.pth.damaged"]
    zenodo.content = CONTENT
    assert fetch().read_bytes() == CONTENT
    assert zenodo.asked == [None, None]


def test_a_file_that_is_there_is_not_fetched_again(zenodo: Zenodo, fetch: Fetch) -> None:
    assert fetch() == fetch()
    assert zenodo.asked == [None]


def test_a_file_of_that_name_with_other_content_is_left_alone(zenodo: Zenodo, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched/base.pth").write_bytes(b"mine")
    with pytest.raises(CheckpointError, match="move it away"):
        fetch()
    assert (tmp_path / "fetched/base.pth").read_bytes() == b"mine"
    assert zenodo.asked == []


def test_a_record_without_the_file_says_what_it_has(zenodo: Zenodo, fetch: Fetch) -> None:
    zenodo.keys = ("configs.zip", "base_no_text_enc.pth")
    with pytest.raises(CheckpointError, match=r"has no file base\.pth; it has configs\.zip, base_no_text_enc\.pth"):
        fetch()


def test_an_answer_with_an_error_is_named(zenodo: Zenodo, fetch: Fetch) -> None:
    zenodo.status = 404
    with pytest.raises(CheckpointError, match=r"/api/records/8387083 answered 404 Not Found"):
        fetch()


def test_an_answer_that_is_no_record_is_named(zenodo: Zenodo, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no Zenodo record"):
        download_published("base", tmp_path, zenodo.link("base.pth"), lambda done, size: None)


def test_a_folder_that_cannot_be_made_is_named(zenodo: Zenodo, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"file/base\.pth cannot be written"):
        download_published("base", tmp_path / "file", zenodo.record_url, lambda done, size: None)


@pytest.mark.parametrize("url", ["zenodo.org/api", "ftp://127.0.0.1/record", "http://[::1/"])
def test_an_address_that_is_none_is_named(tmp_path: Path, url: str) -> None:
    with pytest.raises(CheckpointError, match="cannot be had"):
        download_published("base", tmp_path, url, lambda done, size: None)


def test_a_port_where_nothing_listens_gives_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:  # bound, so nobody else can listen there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api/records/1"
        with pytest.raises(CheckpointError, match="cannot be had") as raised:
            download_published("base", tmp_path / "fetched", url, lambda done, size: None)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "fetched").exists()


def test_a_name_that_was_not_published_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'base'"):
        download_published("bas", tmp_path, "http://127.0.0.1:9/", lambda done, size: None)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@127.0.0.1:1/record?token=hunter2",
        "http://user:hun/hunter2@127.0.0.1:1/record",
        "http://user:x:hunter2@host:port/",
        "user:hunter2@127.0.0.1",
        "ftp://user:hunter2@127.0.0.1",
    ],
)
def test_no_password_of_a_url_is_quoted(tmp_path: Path, url: str) -> None:
    with pytest.raises(CheckpointError) as raised:
        download_published("base", tmp_path, url, lambda done, size: None)
    assert "hunter2" not in str(raised.value)
