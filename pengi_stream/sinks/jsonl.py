"""Events as CloudEvents, one JSON object a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from pengi_stream.clock import Deadline
from pengi_stream.events import Event
from pengi_stream.plugins import SinkConfig
from pengi_stream.protocols import Context, EventSink
from pengi_stream.sinks.lines import Fsync, LineWriter
from pengi_stream.wire import event_to_json

MEGABYTE = 1_000_000


class JsonlSinkConfig(SinkConfig):
    """CloudEvents, one JSON object a line; whole lines only, even after kill -9."""

    type: Literal["jsonl"]
    path: str = Field(min_length=1)
    """`-` is stdout. A missing folder is created."""
    rotate_mb: float | None = Field(default=None, gt=0)
    """A file that would grow beyond becomes path.1, path.1 becomes path.2, and so on; null: never."""
    keep: int = Field(default=5, ge=1)
    """How many full files are kept beside the current one"""
    fsync: Fsync = "flush"
    """When lines are forced to the disk: at every write, at every flush (before a position is committed), never."""

    def build(self, context: Context) -> JsonlSink:  # noqa: ARG002
        rotate_bytes = None if self.rotate_mb is None else round(self.rotate_mb * MEGABYTE)
        return JsonlSink(
            LineWriter(self.path, begins=b"{", rotate_bytes=rotate_bytes, keep=self.keep, fsync=self.fsync)
        )


class JsonlSink(EventSink):
    """Appends events to a file of lines."""

    def __init__(self, lines: LineWriter) -> None:
        self._lines = lines

    def write(self, items: Sequence[Event]) -> None:
        self._lines.write("".join(f"{event_to_json(event)}\n" for event in items).encode())

    def flush(self, deadline: Deadline) -> None:  # noqa: ARG002  a local disk has no deadline
        self._lines.flush()

    def close(self) -> None:
        self._lines.close()
