"""When stored audio begins: `starts_at` of files and pipes."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator

from pengi_stream.audio.metadata import recorded_at
from pengi_stream.clock import Clock, parse_rfc3339
from pengi_stream.errors import AudioError

EPOCH = "1970-01-01T00:00:00Z"
NOW = "now"
MTIME = "mtime"
METADATA = "metadata"
PARTS = {"Y": r"\d{4}", "f": r"\d{1,6}", "z": r"(?:[+-]\d\d:?\d\d|Z)"} | dict.fromkeys("mdHMS", r"\d\d")
PATTERN = re.compile(r"%(.?)")
WHOLE = r"(?<!\d(?=\d)){}(?!(?<=\d)\d)"  # not a part of a longer number


def _text(value: object) -> object:
    """YAML reads a time stamp without quotes as a date."""
    return value.isoformat() if isinstance(value, date) else value


def _check_pipe(value: str) -> str:
    return value if value == NOW else _check_stamp(value, NOW)


def _check_file(value: str) -> str:
    if value in {NOW, MTIME, METADATA}:
        return value
    words = "now, mtime, metadata, a pattern of the file's name such as '%Y%m%d_%H%M%S'"
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
"""As of a pipe, or `mtime` (when the file was last written), `metadata` (what it says itself: `bext` and others), or a
pattern (strptime) of the time in its name"""


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, available_timezones(), n=1)
    return f"did you mean {near[0]!r}?" if near else "expected one such as Europe/Berlin"


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"found the zone {name!r}, expected one such as Europe/Berlin") from error
    except KeyError as error:
        raise ValueError(f"no zone {name!r}; {_near(name)}") from error
    return name


Zone = Annotated[str, AfterValidator(_check_zone)]
"""An IANA time zone"""


@dataclass(frozen=True, slots=True)
class Start:
    """When stored audio begins, as its config says."""

    starts_at: str
    zone: str | None = None
    """Of times in names and metadata that have none; None: UTC"""

    @property
    def takes_zone(self) -> bool:
        """Whether the times that it finds may be without one."""
        return self.starts_at == METADATA or ("%" in self.starts_at and "%z" not in self.starts_at)

    def of_file(self, path: Path, clock: Clock) -> int:
        """UTC in nanoseconds of a file's first sample.

        Raises AudioError where the file does not tell it, or tells it for two moments, OSError where it is missing.
        """
        if self.starts_at == MTIME:
            return path.stat().st_mtime_ns
        if self.starts_at == METADATA:
            found = recorded_at(path)
            if found is None:
                raise AudioError(f"{path}: says nothing of when it was recorded; set starts_at to something else")
            return self._utc_ns(found, path)
        if "%" in self.starts_at:
            return self._utc_ns(_named_time(self.starts_at, path), path)
        return pipe_start_ns(self.starts_at, clock)

    def _utc_ns(self, time: datetime, path: Path) -> int:
        if time.tzinfo is not None:
            return parse_rfc3339(time.isoformat())
        zone = UTC if self.zone is None else ZoneInfo(self.zone)
        first, second = (time.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == time
            times = "twice" if exists else "never"
            raise AudioError(
                f"{path}: {time:%Y-%m-%d %H:%M:%S} is shown {times} by clocks in {self.zone}, which go "
                f"{'back' if exists else 'forward'} then; put the offset into the name (%z), or give starts_at in UTC"
            )
        return parse_rfc3339(first.isoformat())


def pipe_start_ns(starts_at: str, clock: Clock) -> int:
    """UTC in nanoseconds of a pipe's first sample."""
    return clock.utc_ns() if starts_at == NOW else parse_rfc3339(starts_at)


def _named_time(pattern: str, path: Path) -> datetime:
    """Without a zone unless the pattern has one."""
    texts = PATTERN.split(pattern)  # what stands between the parts, and the parts
    regex = "".join(PARTS[text] if index % 2 else re.escape(text) for index, text in enumerate(texts))
    found = re.search(WHOLE.format(regex), path.name)
    if found is None:
        raise AudioError(f"{path}: its name holds no time like {pattern!r}; correct starts_at or rename the file")
    try:
        return datetime.strptime(found[0], pattern)  # noqa: DTZ007  the zone is added by who knows it
    except ValueError as error:
        raise AudioError(f"{path}: {found[0]!r} in its name is no time: {error}") from error
