"""When stored audio begins: `starts_at` of files and pipes."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from pengi_stream.clock import Clock, parse_rfc3339
from pengi_stream.errors import AudioError

EPOCH = "1970-01-01T00:00:00Z"
NOW = "now"
PARTS = {"Y": r"\d{4}", "f": r"\d{1,6}", "z": r"(?:[+-]\d\d:?\d\d|Z)"} | dict.fromkeys("mdHMS", r"\d\d")
PATTERN = re.compile(r"%(.?)")
WHOLE = r"(?<!\d(?=\d)){}(?!(?<=\d)\d)"  # not a part of a longer number


def _text(value: object) -> object:
    """YAML reads a time stamp without quotes as a date."""
    return value.isoformat() if isinstance(value, date) else value


def _check_pipe(value: str) -> str:
    return value if value == NOW else _check_stamp(value, NOW)


def _check_file(value: str) -> str:
    if value in {"now", "mtime"}:
        return value
    words = "now, mtime, a pattern of the file's name such as '%Y%m%d_%H%M%S'"
    return _check_pattern(value) if "%" in value else _check_stamp(value, words)


def _check_stamp(value: str, words: str) -> str:
    try:
        parse_rfc3339(value)
    except ValueError as error:
        raise ValueError(f"found {value!r}; expected {words}, or a time stamp such as {EPOCH}") from error
    return value


def _check_pattern(value: str) -> str:
    parts = PATTERN.findall(value)
    if not set("Ymd") <= set(parts) <= PARTS.keys() or len(parts) > len(set(parts)):
        known = " ".join(f"%{part}" for part in PARTS)
        raise ValueError(f"found the pattern {value!r}; expected %Y, %m and %d in it, and each of {known} at most once")
    return value


PipeStartsAt = Annotated[str, BeforeValidator(_text), AfterValidator(_check_pipe)]
"""`now`, or a time stamp; 1970 makes times read as offsets"""

FileStartsAt = Annotated[str, BeforeValidator(_text), AfterValidator(_check_file)]
"""As of a pipe, or `mtime` (when the file was last written), or a pattern (strptime) of the time in its name"""


def pipe_start_ns(starts_at: str, clock: Clock) -> int:
    """UTC in nanoseconds of a pipe's first sample."""
    return clock.utc_ns() if starts_at == NOW else parse_rfc3339(starts_at)


def file_start_ns(starts_at: str, clock: Clock, path: Path) -> int:
    """UTC in nanoseconds of a file's first sample.

    Raises AudioError where the file's name does not hold the time, OSError where `mtime` is asked of a missing file.
    """
    if starts_at == "mtime":
        return path.stat().st_mtime_ns
    if "%" in starts_at:
        return parse_rfc3339(_named_time(starts_at, path).isoformat())
    return pipe_start_ns(starts_at, clock)


def _named_time(pattern: str, path: Path) -> datetime:
    """UTC, unless the pattern has a zone."""
    texts = PATTERN.split(pattern)  # what stands between the parts, and the parts
    regex = "".join(PARTS[text] if index % 2 else re.escape(text) for index, text in enumerate(texts))
    found = re.search(WHOLE.format(regex), path.name)
    if found is None:
        raise AudioError(f"{path}: its name holds no time like {pattern!r}; correct starts_at or rename the file")
    try:
        time = datetime.strptime(found[0], pattern)  # noqa: DTZ007  the zone is added below
    except ValueError as error:
        raise AudioError(f"{path}: {found[0]!r} in its name is no time: {error}") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
