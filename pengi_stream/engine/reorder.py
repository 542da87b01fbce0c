"""Results of work that is done side by side, in the order in which it began. No thread, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Begun:
    """Work on some streams was taken; results of later work on them wait for it."""

    ticket: int
    streams: frozenset[str]


@dataclass(frozen=True, slots=True)
class Finished(Generic[T]):
    """The result of the work that began with this ticket."""

    ticket: int
    result: T


@dataclass(slots=True)
class _Place(Generic[T]):
    streams: frozenset[str]
    finished: Finished[T] | None = None


class Reorder(Generic[T]):
    """A buffer that gives each result when all earlier work on any of its streams has given its own.

    Work that shares no stream passes. `capacity` bounds what has begun and is not yet taken, so that nothing piles up
    behind one slow piece of work. What failed never finishes: results behind it are dropped when the buffer is closed.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._places: dict[int, _Place[T]] = {}  # in the order in which they began

    def has_room(self, item: Begun | Finished[T]) -> bool:
        """False makes new work wait; what has begun may always finish."""
        return isinstance(item, Finished) or len(self._places) < self._capacity

    def add(self, item: Begun | Finished[T], now_s: float) -> None:  # noqa: ARG002
        if isinstance(item, Begun):
            self._places[item.ticket] = _Place(item.streams)
        else:
            self._places[item.ticket].finished = item

    def take(self, now_s: float) -> T | None:  # noqa: ARG002
        """The first result that waits for nothing; None: all of them wait."""
        ready = next(self._ready(), None)
        if ready is None:
            return None
        del self._places[ready.ticket]
        return ready.result

    def ready_at_s(self, now_s: float) -> float | None:  # noqa: ARG002
        return None

    def close(self) -> None:
        """Nothing will be added: what waits for unfinished work is dropped."""
        kept = {ready.ticket for ready in self._ready()}
        self._places = {ticket: place for ticket, place in self._places.items() if ticket in kept}

    def __len__(self) -> int:
        return len(self._places)

    def _ready(self) -> Iterator[Finished[T]]:
        """Results whose turn comes without any more work being finished, in order."""
        held: set[str] = set()
        for place in self._places.values():
            if place.finished is not None and held.isdisjoint(place.streams):
                yield place.finished
            else:
                held |= place.streams
