"""Lines to read, those of one file together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from pengi_stream.cli.heard import SOURCE
from pengi_stream.clock import Deadline, parse_rfc3339
from pengi_stream.protocols import EventSink
from pengi_stream.sinks.console import ConsoleSinkConfig
from pengi_stream.types import NS_PER_S, Event

MOST_BETWEEN = 1_000  # events of later files before one that ended in silence; many times what waits for the model
LAST_S = 0.05


class GroupedConsoleConfig(ConsoleSinkConfig):
    """A console for files that are heard one after the other."""

    lengths_s: Mapping[str, float]
    """Of each file, in their order"""

    def build(self) -> Grouped:  # type: ignore[override]  # any EventSink will do
        return Grouped(super().build(), self.lengths_s)


class Grouped:
    """Holds what is said of later files until the one before is done. Leaves out what a command tells at its end."""

    def __init__(self, sink: EventSink, lengths_s: Mapping[str, float]) -> None:
        self._sink = sink
        self._lengths_s = lengths_s
        self._waiting = {name: list[Event]() for name in lengths_s}
        self._order = list(lengths_s)
        self._starts_ns: dict[str, int] = {}
        self._between = 0

    def write(self, events: Sequence[Event]) -> None:
        """Give on what is of the file whose turn it is. Raises SinkError."""
        for event in events:
            self._take(event)

    def flush(self, deadline: Deadline) -> None:
        self._sink.flush(deadline)

    def close(self) -> None:
        """Give on the rest."""
        while self._order:
            self._next()
        self._sink.close()

    def _take(self, event: Event) -> None:
        over = event.type == SOURCE or self._is_last(event)
        if event.stream_id not in self._order:
            self._give(event)
        elif event.stream_id == self._order[0]:
            self._between = 0
            self._give(event)
            if over:
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
            held = self._waiting.pop(self._order[0])
            for event in held:
                self._give(event)
            if not any(event.type == SOURCE or self._is_last(event) for event in held):
                return
            self._order.pop(0)

    def _give(self, event: Event) -> None:
        if event.type != SOURCE:
            self._sink.write([event])

    def _is_last(self, event: Event) -> bool:
        """Whether it reaches the end of its file."""
        start_ns = self._starts_ns.setdefault(event.stream_id, event.time_ns - _offset_ns(event))
        end = event.data.get("window_end", event.data.get("gap_end"))
        if end is None:
            return False
        return (parse_rfc3339(str(end)) - start_ns) / NS_PER_S >= self._lengths_s.get(event.stream_id, inf) - LAST_S


def _offset_ns(event: Event) -> int:
    """From the file's start to the event."""
    first_sample, rate = event.data.get("first_sample", 0), event.data.get("sample_rate", 1)
    return int(str(first_sample)) * NS_PER_S // int(str(rate))
