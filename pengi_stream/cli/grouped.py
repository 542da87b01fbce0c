"""Lines to read, those of one file together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pengi_stream.clock import Deadline
from pengi_stream.events import CoverageEvent, Event, SourceEvent
from pengi_stream.protocols import Context, EventSink
from pengi_stream.sinks.console import ConsoleSinkConfig

MOST_BETWEEN = 1_000  # events of later files before one that does not end; many times what waits for the model
LAST_S = 0.05


class GroupedConsoleConfig(ConsoleSinkConfig):
    """A console for files that are heard one after the other."""

    lengths_s: Mapping[str, float]
    """Of each file, in their order"""

    def build(self, context: Context) -> Grouped:  # type: ignore[override]  # any EventSink will do
        return Grouped(super().build(context), self.lengths_s)


class Grouped(EventSink):
    """Holds what is said of later files until the one before is done. Leaves out what a command tells at its end."""

    def __init__(self, sink: EventSink, lengths_s: Mapping[str, float]) -> None:
        self._sink = sink
        self._lengths_s = lengths_s
        self._waiting = {name: list[Event]() for name in lengths_s}
        self._order = list(lengths_s)
        self._between = 0

    def write(self, items: Sequence[Event]) -> None:
        """Give on what is of the file whose turn it is. Raises SinkError."""
        for event in items:
            self._take(event)

    def flush(self, deadline: Deadline) -> None:
        self._sink.flush(deadline)

    def close(self) -> None:
        """Give on the rest."""
        while self._order:
            self._next()
        self._sink.close()

    def _take(self, event: Event) -> None:
        if event.stream_id not in self._order:
            self._give(event)
        elif event.stream_id == self._order[0]:
            self._between = 0
            self._give(event)
            if self._is_last(event):
                self._next()
        else:
            self._between += 1
            self._waiting[event.stream_id].append(event)
            if self._between > MOST_BETWEEN:
                self._next()

    def _next(self) -> None:
        """It is the next file's turn, and of those behind it that were over meanwhile."""
        self._between = 0
        self._order.pop(0)
        while self._order:
            waiting = self._waiting.pop(self._order[0])
            for event in waiting:
                self._give(event)
            if not any(map(self._is_last, waiting)):
                return
            self._order.pop(0)

    def _give(self, event: Event) -> None:
        if not isinstance(event, SourceEvent):
            self._sink.write([event])

    def _is_last(self, event: Event) -> bool:
        """Whether its file is over: what was heard of it is told up to its end, or why it could not be read."""
        if isinstance(event, CoverageEvent):
            return event.end_sample / event.sample_rate >= self._lengths_s.get(event.stream_id, 0.0) - LAST_S
        return isinstance(event, SourceEvent)
