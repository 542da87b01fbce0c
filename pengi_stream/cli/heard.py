"""What a command notes of the events of its run, for the lines at its end."""

from __future__ import annotations

from collections.abc import Sequence

from pengi_stream.clock import Deadline
from pengi_stream.runtime.outlets import NamedSink
from pengi_stream.types import Event

GAP, SOURCE = "pengi_stream.gap", "pengi_stream.source"


class Heard:
    """A sink that keeps sums."""

    def __init__(self) -> None:
        self.missing_s = 0.0
        """Seconds of all gaps"""
        self.faults: list[str] = []
        """What could not be read, and why"""

    @property
    def sinks(self) -> list[NamedSink]:
        """It, for a pipeline."""
        return [NamedSink("summary", self, required=False)]

    def write(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.type == GAP:
                self.missing_s += float(str(event.data.get("duration_s", 0)))
            elif event.type == SOURCE:
                reason = str(event.data["reason"])
                self.faults.append(reason if event.stream_id in reason else f"{event.stream_id}: {reason}")

    def flush(self, deadline: Deadline) -> None:
        """Nothing to keep."""

    def close(self) -> None:
        """Nothing to release."""
