"""What a polling thread hands on: records, and which partitions are ours. Imports nothing of kafka-python."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.kept import Kept


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record as Kafka gives it."""

    offset: int
    timestamp_ms: int
    """UTC"""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def size(self) -> int:
        """Bytes, roughly"""
        return 100 + len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True, slots=True)
class Assigned:
    """A partition is ours; its records follow from `offset` on."""

    lane: Lane
    offset: int
    kept: Kept
    """With the offset, as it was committed"""


@dataclass(frozen=True, slots=True)
class Removed:
    """A partition is another worker's, or begins anew."""

    lane: Lane


@dataclass(frozen=True, slots=True)
class Lost:
    """Records of a partition that nobody can read any more."""

    lane: Lane
    reason: str


@dataclass(frozen=True, slots=True)
class Records:
    """The next records of a partition."""

    lane: Lane
    records: tuple[RawRecord, ...]


Arrival = Assigned | Removed | Lost | Records


class Inbox:
    """From the polling thread to the one that reads; never blocks the first. Bounded by who fills it: see `full`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._arrivals: deque[Arrival] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self._error: Exception | None = None

    @property
    def full(self) -> bool:
        """Nothing more should be fetched."""
        return self._bytes >= self._most_bytes

    @property
    def has_room(self) -> bool:
        """Fetching may go on."""
        return self._bytes <= self._most_bytes // 2

    @property
    def closed(self) -> bool:
        """Nothing more is wanted."""
        return self._closed

    def put(self, arrival: Arrival) -> None:
        """Hand on `arrival`; does not block. What is removed takes its records with it."""
        with self._changed:
            if isinstance(arrival, Removed):
                self._drop(arrival)
            if isinstance(arrival, Records):
                self._bytes += _size(arrival)
            self._arrivals.append(arrival)
            self._changed.notify_all()

    def take(self, wait_s: float) -> Arrival | None:
        """The next one; blocks until there is one. None after `wait_s`, or `close`. Raises what `fail` was given."""
        with self._changed:
            self._changed.wait_for(lambda: self._arrivals or self._closed or self._error, wait_s)
            if self._error is not None:
                raise self._error
            if self._closed or not self._arrivals:
                return None
            arrival = self._arrivals.popleft()
            if isinstance(arrival, Records):
                self._bytes -= _size(arrival)
            return arrival

    def close(self) -> None:
        """Nothing more is wanted; what waits is forgotten."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Nothing more will come."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _drop(self, removed: Removed) -> None:
        kept: deque[Arrival] = deque()
        for arrival in self._arrivals:
            if isinstance(arrival, Records) and arrival.lane == removed.lane:
                self._bytes -= _size(arrival)
            else:
                kept.append(arrival)
        self._arrivals = kept


def _size(records: Records) -> int:
    return sum(record.size for record in records.records)
