"""A dead letter: a bad record, where it came from, and what a replay needs. As headers in Kafka, as JSON in a file."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pengi_stream.clock import parse_rfc3339, rfc3339
from pengi_stream.types import BadRecord

PREFIX = "dlq."
Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """What is kept of a bad record."""

    id: str
    """The same whenever the same record is refused: its topic, partition and offset, where it came from Kafka"""
    stream_id: str
    reason: str
    exception: str
    topic: str | None
    partition: int | None
    offset: int | None
    time_ns: int
    """UTC of the place in the stream that it concerns"""
    key: bytes | None
    value: bytes | None
    """Original bytes; None where they were not at hand, as of a window on which the model failed"""
    headers: Headers


def letter_of(record: BadRecord) -> Letter:
    """What to keep of `record`. The marks of an earlier death are no part of its headers."""
    origin = record.position.origin if record.position else {}
    topic, partition, offset = (origin.get(name) for name in ("topic", "partition", "offset"))
    place = "-".join(str(fact) for fact in origin.values()) or record.stream.id
    return Letter(
        id=place if record.position and record.value is not None else f"{place}@{rfc3339(record.time_ns)}",
        stream_id=record.stream.id,
        reason=record.reason,
        exception=record.exception,
        topic=topic if isinstance(topic, str) else None,
        partition=partition if isinstance(partition, int) else None,
        offset=offset if isinstance(offset, int) else None,
        time_ns=record.time_ns,
        key=record.key,
        value=record.value,
        headers=tuple((name, value) for name, value in record.headers if not name.startswith(PREFIX)),
    )


def to_headers(letter: Letter) -> Headers:
    """The headers of its record in a dead-letter topic; key and value are the original's."""
    marks = {
        "id": letter.id,
        "stream": letter.stream_id,
        "reason": letter.reason,
        "exception": letter.exception,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "time": rfc3339(letter.time_ns),
    }
    known = {name: str(value).encode("utf-8", "surrogateescape") for name, value in marks.items() if value is not None}
    return (*letter.headers, *((PREFIX + name, value) for name, value in known.items()))


def from_headers(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Letter:
    """The letter in a record of a dead-letter topic. Raises ValueError where it is none."""
    marks = {
        name.removeprefix(PREFIX): mark.decode("utf-8", "surrogateescape")
        for name, mark in headers
        if name.startswith(PREFIX)
    }
    if "id" not in marks:
        raise ValueError(f"found a record without the header {PREFIX}id, expected a dead letter")
    partition, offset = marks.get("partition"), marks.get("offset")
    return Letter(
        id=marks["id"],
        stream_id=marks.get("stream", ""),
        reason=marks.get("reason", ""),
        exception=marks.get("exception", ""),
        topic=marks.get("topic"),
        partition=None if partition is None else int(partition),
        offset=None if offset is None else int(offset),
        time_ns=parse_rfc3339(marks["time"]) if "time" in marks else 0,
        key=key,
        value=value,
        headers=tuple((name, header) for name, header in headers if not name.startswith(PREFIX)),
    )


def to_json(letter: Letter, recorded_at_ns: int) -> bytes:
    """One line; bytes are base64."""
    fields = {
        "id": letter.id,
        "stream_id": letter.stream_id,
        "reason": letter.reason,
        "exception": letter.exception,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "time": rfc3339(letter.time_ns),
        "recorded_at": rfc3339(recorded_at_ns),
        "key": _to_base64(letter.key),
        "headers": [[name, _to_base64(value)] for name, value in letter.headers],
        "value": _to_base64(letter.value),
    }
    line = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return f"{line}\n".encode("utf-8", "backslashreplace")


def from_json(line: bytes) -> Letter:
    """The letter in one line. Raises ValueError where there is none."""
    fields: dict[str, Any] = json.loads(line)
    try:
        return Letter(
            **{
                name: fields[name]
                for name in ("id", "stream_id", "reason", "exception", "topic", "partition", "offset")
            },
            time_ns=parse_rfc3339(fields["time"]),
            key=_from_base64(fields["key"]),
            value=_from_base64(fields["value"]),
            headers=tuple((name, base64.b64decode(value)) for name, value in fields["headers"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"found {line[:80]!r}, expected a dead letter ({error!r})") from error


def _to_base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _from_base64(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
