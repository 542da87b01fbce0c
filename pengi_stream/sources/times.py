"""When stored audio begins: `starts_at` of files and pipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from pengi_stream.clock import Clock, parse_rfc3339

EPOCH = "1970-01-01T00:00:00Z"


def _check(value: str) -> str:
    if value not in {"now", "mtime"}:
        try:
            parse_rfc3339(value)
        except ValueError as error:
            raise ValueError(f"found {value!r}; expected now, mtime, or a time stamp such as {EPOCH}") from error
    return value


StartsAt = Annotated[str, AfterValidator(_check)]
"""`now`, `mtime` (of a file: when it was last written), or a time stamp; 1970 makes times read as offsets"""


def start_ns(starts_at: str, clock: Clock, path: Path | None = None) -> int:
    """UTC in nanoseconds of the first sample. Raises OSError where `mtime` is asked of a missing file."""
    if starts_at == "now":
        return clock.utc_ns()
    if starts_at == "mtime":
        return clock.utc_ns() if path is None else path.stat().st_mtime_ns
    return parse_rfc3339(starts_at)
