"""When a file says that it was recorded: `bext`, dates and comments of WAV, dates of FLAC, Ogg and others."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import soundfile

RIFF_HEADS = (b"RIFF", b"RF64")
MOST_BYTES = 1 << 20  # of a chunk that is looked into
BEXT_DATE = slice(320, 338)  # 2026-01-31 and 12:00:00, with any sign between the numbers
BEXT_SAMPLES = 338  # since midnight, 64 bits
BEXT_BYTES = 346
NUMBERS = re.compile(rb"(\d{4}).(\d\d).(\d\d)(?:(\d\d).(\d\d).(\d\d))?")
AUDIOMOTH = re.compile(r"at (\d\d:\d\d:\d\d \d\d/\d\d/\d{4}) \(UTC(?:([+-])(\d{1,2})(?::(\d\d))?)?\)")
MIDNIGHT_TOO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")  # a date alone is that of a record, not of a recording


def recorded_at(path: Path) -> datetime | None:
    """When the first sample was heard; without a zone where the file knows none, None where it tells nothing.

    Raises OSError."""
    for name, chunk in _chunks(path):
        found = _of_bext(chunk, path) if name == b"bext" else _of_list(chunk) if name == b"LIST" else None
        if found is not None:
            return found
    return _of_tag(path)


def _chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the chunks of a WAV that may be metadata."""
    with path.open("rb") as file:
        if file.read(12)[:4] not in RIFF_HEADS:
            return
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name in {b"bext", b"LIST"} and size <= MOST_BYTES:
                yield name, file.read(size)
                file.seek(size % 2, 1)
            else:
                file.seek(size + size % 2, 1)


def _of_bext(chunk: bytes, path: Path) -> datetime | None:
    """The day, and the time by the samples since midnight, which are exact, or in seconds where there are none."""
    numbers = NUMBERS.match(chunk[BEXT_DATE])
    if numbers is None or len(chunk) < BEXT_BYTES:
        return None
    (samples,) = struct.unpack_from("<Q", chunk, BEXT_SAMPLES)
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers.groups())
    try:
        if samples:
            return datetime(year, month, day) + timedelta(seconds=samples / _sample_rate(path))  # noqa: DTZ001
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  it knows no zone
    except (ValueError, OverflowError):
        return None


def _of_list(chunk: bytes) -> datetime | None:
    """What an AudioMoth writes into a comment, or a date with its time."""
    text = chunk.decode("utf-8", "replace")
    if found := AUDIOMOTH.search(text):
        sign = -1 if found[2] == "-" else 1
        offset = sign * timedelta(hours=int(found[3] or 0), minutes=int(found[4] or 0))
        return datetime.strptime(found[1], "%H:%M:%S %d/%m/%Y").replace(tzinfo=timezone(offset) if offset else UTC)
    date = chunk.partition(b"ICRD")[2]
    return _parsed(date[4:].split(b"\0")[0].decode("utf-8", "replace")) if date else None


def _of_tag(path: Path) -> datetime | None:
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            return _parsed(str(file.copy_metadata().get("date", "")))
    except (soundfile.LibsndfileError, TypeError):
        return None  # who reads the file says so


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip()) if MIDNIGHT_TOO.match(text.strip()) else None
    except ValueError:
        return None


def _sample_rate(path: Path) -> int:
    return int(soundfile.info(os.fsencode(path)).samplerate)
