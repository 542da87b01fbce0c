"""What waits between two stages, bounded by bytes as well as by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pengi_stream.runtime.channel import Fifo
from pengi_stream.types import BadRecord, Frame, Window

T = TypeVar("T")

MOST_BYTES = 64 << 20


class Weighed(Fifo[T]):
    """First in, first out; full means waiting. One item has room however large it is."""

    def __init__(self, capacity: int, weigh: Callable[[T], int], most_bytes: int = MOST_BYTES) -> None:
        super().__init__(capacity)
        self._weigh = weigh
        self._most_bytes = most_bytes
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Of all that waits"""
        return self._bytes

    def has_room(self, item: T) -> bool:
        fits = len(self) == 0 or self._bytes + self._weigh(item) <= self._most_bytes
        return fits and super().has_room(item)

    def add(self, item: T, now_s: float) -> None:
        super().add(item, now_s)
        self._bytes += self._weigh(item)

    def take(self, now_s: float) -> T | None:
        item = super().take(now_s)
        self._bytes -= 0 if item is None else self._weigh(item)
        return item


class WeighedDropOldest(Weighed[T]):
    """First in, first out; full means that the oldest are dropped and reported."""

    def __init__(
        self, capacity: int, weigh: Callable[[T], int], on_drop: Callable[[T], None], most_bytes: int = MOST_BYTES
    ) -> None:
        super().__init__(capacity, weigh, most_bytes)
        self._on_drop = on_drop

    def has_room(self, item: T) -> bool:  # noqa: ARG002
        return True

    def add(self, item: T, now_s: float) -> None:
        while len(self) and not super().has_room(item):
            oldest = self.take(now_s)
            if oldest is not None:
                self._on_drop(oldest)
        super().add(item, now_s)


def samples_bytes(item: object) -> int:
    """Bytes of the samples in `item`, or of what a bad record carries."""
    match item:
        case Frame() | Window():
            return item.samples.nbytes
        case BadRecord(value=bytes() as value):
            return len(value)
    return 0
