"""The published checkpoints from where they were published, a Zenodo record. Needs no torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from pydantic import BaseModel, Field, ValidationError

from pengi_stream.errors import CheckpointError, ConfigError
from pengi_stream.plugins import suggest

RECORD_URL = "https://zenodo.org/api/records/8387083"
NAMES = ("base", "base_no_text_enc")
TIMEOUT_S = 30.0
"""For each answer and each piece, not for the whole file"""
PARTIAL_CONTENT = 206

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes of the whole file"""


class Links(BaseModel):
    """Where a file of a record is."""

    self: str


class RecordFile(BaseModel):
    """A file as a Zenodo record states it."""

    key: str
    """Its name"""
    size: int
    """Bytes"""
    checksum: str = Field(pattern=r"^(md5|sha256|sha512):[0-9a-f]+$")
    links: Links


class Record(BaseModel):
    """What we read of a Zenodo record's JSON."""

    files: list[RecordFile]


def download_published(name: str, folder: Path, record_url: str, progress: Progress) -> Path:
    """Fetch the checkpoint of the published configuration `name` into `folder`; blocks until it is there and checked.

    What an earlier call left in *.partial is not fetched again. Raises ConfigError on a name that was not published,
    CheckpointError on all else; then no file is under the final name but one that was there before."""
    if name not in NAMES:
        raise ConfigError(f"no published configuration {name!r}; {suggest(name, NAMES)}")
    with httpx2.Client(follow_redirects=True, timeout=TIMEOUT_S, headers={"Accept-Encoding": "identity"}) as client:
        file = _stated(client, record_url, f"{name}.pth")
        final = folder / file.key
        partial = folder / f"{file.key}.partial"
        try:
            if final.exists():
                _check_present(final, file)
                return final
            folder.mkdir(parents=True, exist_ok=True)
            _fetch(client, file, partial, progress)
            _check_fetched(partial, file)
            return partial.rename(final)
        except OSError as error:
            raise CheckpointError(f"{final} cannot be written: {error.strerror or error}") from error


def _stated(client: httpx2.Client, record_url: str, key: str) -> RecordFile:
    """What the record says of the file `key`."""
    with _reported(record_url):
        answer = client.get(record_url).raise_for_status()
    try:
        record = Record.model_validate_json(answer.content)
    except ValidationError as error:
        raise CheckpointError(f"{shown(record_url)} is no Zenodo record, expected JSON with its files") from error
    for file in record.files:
        if file.key == key:
            return file
    held = ", ".join(file.key for file in record.files) or "no files"
    raise CheckpointError(f"{shown(record_url)} has no file {key}; it has {held}")


def _fetch(client: httpx2.Client, file: RecordFile, partial: Path, progress: Progress) -> None:
    """Append to `partial` what it lacks; begin anew where the server cannot go on."""
    start = _size(partial)
    if start >= file.size:
        return
    wanted = {"Range": f"bytes={start}-"} if start else {}
    kept = "; what came is kept, the same command again fetches the rest"
    with _reported(file.links.self, kept), client.stream("GET", file.links.self, headers=wanted) as answer:
        answer.raise_for_status()
        goes_on = answer.status_code == PARTIAL_CONTENT
        if goes_on and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise CheckpointError(
                f"{shown(file.links.self)} sent another part than was asked for; delete {partial} to begin anew"
            )
        done = start if goes_on else 0
        with partial.open("ab" if goes_on else "wb") as written:
            for piece in answer.iter_bytes():
                written.write(piece)
                done += len(piece)
                progress(done, file.size)
                if done > file.size:  # the checksum will tell
                    break


def _check_present(final: Path, file: RecordFile) -> None:
    if not _is_stated(final, file):
        raise CheckpointError(f"{final} exists, and is not the file that the record states; move it away")


def _check_fetched(partial: Path, file: RecordFile) -> None:
    done = _size(partial)
    if done < file.size:
        raise CheckpointError(f"{partial} has {done} of {file.size} bytes; the same command again fetches the rest")
    if not _is_stated(partial, file):
        aside = partial.replace(partial.with_suffix(".damaged"))
        raise CheckpointError(
            f"{file.key} came damaged: it is not of the size and checksum ({file.checksum}) that the record states; "
            f"what came is kept as {aside}, the same command again begins anew"
        )


def _is_stated(path: Path, file: RecordFile) -> bool:
    """Whether size and checksum are as the record states them."""
    if _size(path) != file.size:
        return False
    algorithm, digest = file.checksum.split(":")
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, algorithm).hexdigest() == digest


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def shown(url: str) -> str:
    """`url` without what may be a secret: user, password, query."""
    scheme, colon, rest = url.partition("://")
    if not colon or scheme not in {"http", "https"}:
        return "the URL"
    return f"{scheme}://{re.split('[?#]', rest.rpartition('@')[2])[0]}"


@contextmanager
def _reported(url: str, advice: str = "") -> Iterator[None]:
    """Errors of HTTP become one line; `advice` is for those of the connection."""
    try:
        yield
    except httpx2.HTTPStatusError as error:
        answer = error.response
        raise CheckpointError(f"{shown(url)} answered {answer.status_code} {answer.reason_phrase}") from error
    except httpx2.InvalidURL:  # its text quotes the URL
        raise CheckpointError(f"{shown(url)} cannot be had: that is no URL, expected https://host/path") from None
    except httpx2.HTTPError as error:
        raise CheckpointError(f"{shown(url)} cannot be had: {str(error) or type(error).__name__}{advice}") from error
