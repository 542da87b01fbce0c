"""Parts that do as they are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TypeVar

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import SinkError, SourceError
from pengi_stream.events import Event
from pengi_stream.metrics import Metrics
from pengi_stream.protocols import AudioSource, Context, EventSink, Progress, Transaction
from pengi_stream.types import NS_PER_S, CommitPosition, SourceItem, WindowShape

E = TypeVar("E", bound=Event)

SHAPE = WindowShape(16_000, 16_000)


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


def context(
    name: str = "test",
    *,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    shape: WindowShape | None = SHAPE,
    progress: Progress | None = None,
    transactional: bool = False,
    transaction: Transaction | None = None,
) -> Context:
    """What `build` takes, for a part that is tested alone: windows of a second at 16 kHz, unless told otherwise."""
    alone = Context.alone(name)
    return Context(
        name,
        clock or alone.clock,
        metrics or alone.metrics,
        shape,
        progress or NoProgress(),
        transactional,
        transaction,
    )


class NoProgress:
    """A Progress in which nothing is ever done."""

    def positions(self) -> Sequence[CommitPosition]:
        return ()

    def revoke(self, lane: str, assignment: int) -> None:
        """Nothing was begun."""


class ScriptedSource(AudioSource):
    """Gives `items`; with `hold_open` it then waits for `close`, as a live source does. A SourceError among them is
    raised, and what follows is given when `frames` is called again."""

    def __init__(self, items: Sequence[SourceItem | SourceError], *, hold_open: bool = False) -> None:
        self._items = iter(items)
        self._hold_open = hold_open
        self._closed = threading.Event()
        self.commits: list[CommitPosition] = []

    def frames(self) -> Iterator[SourceItem]:
        for item in self._items:
            if self._closed.is_set():
                return
            if isinstance(item, SourceError):
                raise item
            yield item
        if self._hold_open:
            self._closed.wait()

    def commit(self, position: CommitPosition) -> None:
        self.commits.append(position)

    def close(self) -> None:
        self._closed.set()


class ListSink(EventSink):
    """Keeps events in memory; its first writes raise `failures`, one each."""

    def __init__(self, failures: Sequence[SinkError] = ()) -> None:
        self._failures = list(failures)
        self.events: list[Event] = []
        self.durable = 0
        """How many of the events were flushed"""

    def of(self, kind: type[E]) -> list[E]:
        """The events of one type, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def write(self, items: Sequence[Event]) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.events.extend(items)

    def flush(self, deadline: Deadline) -> None:  # noqa: ARG002  a list has no deadline
        self.durable = len(self.events)
