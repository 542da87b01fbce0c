"""What a command notes of the events of its run, for the lines at its end."""

from __future__ import annotations

from collections.abc import Sequence

from pengi_stream.clock import Deadline
from pengi_stream.events import Event, GapEvent, SourceEvent
from pengi_stream.protocols import EventSink
from pengi_stream.runtime.sink_writers import NamedSink


class Heard(EventSink):
    """Keeps sums."""

    def __init__(self) -> None:
        self.missing_s = 0.0
        """Seconds of all gaps"""
        self.faults: list[str] = []
        """What could not be read, and why"""

    @property
    def sinks(self) -> list[NamedSink]:
        """It, for a pipeline."""
        return [NamedSink("summary", self, required=False)]

    def write(self, items: Sequence[Event]) -> None:
        for event in items:
            match event:
                case GapEvent():
                    self.missing_s += event.missing_samples / event.sample_rate
                case SourceEvent(reason=reason, stream_id=stream_id):
                    self.faults.append(reason if stream_id in reason else f"{stream_id}: {reason}")

    def flush(self, deadline: Deadline) -> None:
        """Nothing to keep."""
