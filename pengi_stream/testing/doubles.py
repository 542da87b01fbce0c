"""Parts that do as they are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from pengi_stream.clock import Deadline
from pengi_stream.errors import SinkError
from pengi_stream.types import NS_PER_S, Event, Position, SourceItem


class FakeClock:
    """A clock that stands still until it is told to advance."""

    def __init__(self, utc_ns: int = 0, monotonic_s: float = 0.0) -> None:
        self._utc_ns = utc_ns
        self._monotonic_s = monotonic_s

    def utc_ns(self) -> int:
        return self._utc_ns

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._monotonic_s += seconds
        self._utc_ns += round(seconds * NS_PER_S)


class ScriptedSource:
    """Gives `items`; with `hold_open` it then waits for `close`, as a live source does."""

    def __init__(self, items: Sequence[SourceItem], *, hold_open: bool = False) -> None:
        self._items = items
        self._hold_open = hold_open
        self._closed = threading.Event()
        self.commits: list[Position] = []

    def frames(self) -> Iterator[SourceItem]:
        for item in self._items:
            if self._closed.is_set():
                return
            yield item
        if self._hold_open:
            self._closed.wait()

    def commit(self, position: Position) -> None:
        self.commits.append(position)

    def close(self) -> None:
        self._closed.set()


class ListSink:
    """Keeps events in memory; its first writes raise `failures`, one each."""

    def __init__(self, failures: Sequence[SinkError] = ()) -> None:
        self._failures = list(failures)
        self.events: list[Event] = []
        self.durable = 0
        """How many of the events were flushed"""

    def write(self, events: Sequence[Event]) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.events.extend(events)

    def flush(self, deadline: Deadline) -> None:  # noqa: ARG002  a list has no deadline
        self.durable = len(self.events)

    def close(self) -> None:
        """Nothing to release."""
