"""The only file that asks what time it is."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pengi_stream.types import NS_PER_S

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_NS = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(seconds=1) * NS_PER_S
LATEST_NS = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - EPOCH) // timedelta(seconds=1) * NS_PER_S
FRACTION = re.compile(r"\.(\d{1,9})")


class Clock(Protocol):
    """Where `now` comes from."""

    def utc_ns(self) -> int:
        """UTC in nanoseconds since 1970-01-01; may jump."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some start; never goes back."""
        ...


class SystemClock:
    """The machine's clock."""

    def utc_ns(self) -> int:
        return time.time_ns()

    def monotonic_s(self) -> float:
        return time.monotonic()


class Deadline:
    """One budget of time, shared by all that must end within it."""

    def __init__(self, seconds: float, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._at_s = self._clock.monotonic_s() + seconds

    def remaining_s(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._at_s - self._clock.monotonic_s())

    @property
    def expired(self) -> bool:
        return self.remaining_s() == 0.0


def rfc3339(ns: int) -> str:
    """`ns` since 1970 as RFC 3339 in UTC with milliseconds: 1970-01-01T00:00:03.360Z; finer where it must be.

    Never raises: what lies outside of the years 1 to 9999 is written as the nearest moment within."""
    seconds, rest = divmod(min(max(ns, EARLIEST_NS), LATEST_NS), NS_PER_S)
    moment = EPOCH + timedelta(seconds=seconds)
    digits = f"{rest:09d}"
    fraction = digits[:3] if rest % 1_000_000 == 0 else digits[:6] if rest % 1_000 == 0 else digits
    return f"{moment.replace(tzinfo=None).isoformat()}.{fraction}Z"


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time stamp; raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time stamp {text!r} has no time zone; write it like 2026-01-31T12:00:00Z")
    since = moment - EPOCH
    fraction = FRACTION.search(text)  # datetime keeps microseconds only
    ns = int(fraction[1].ljust(9, "0")) if fraction else 0
    return (since.days * 86_400 + since.seconds) * NS_PER_S + ns
