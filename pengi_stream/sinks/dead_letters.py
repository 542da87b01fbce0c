"""Bad records as lines of JSON, with their original bytes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pengi_stream.clock import Clock, Deadline, SystemClock
from pengi_stream.plugins import PluginConfig
from pengi_stream.sinks.lines import LineWriter
from pengi_stream.types import BadRecord
from pengi_stream.wire.letter import letter_of, to_json


class JsonlDeadLettersConfig(PluginConfig):
    """What could not be processed, one JSON object a line."""

    type: Literal["jsonl"]
    path: str = Field(min_length=1)

    def build(self) -> JsonlDeadLetters:
        return JsonlDeadLetters(LineWriter(self.path, begins=b"{"), SystemClock())


class JsonlDeadLetters:
    """Appends bad records to a file of lines; bytes are base64."""

    def __init__(self, lines: LineWriter, clock: Clock) -> None:
        self._lines = lines
        self._clock = clock

    def write(self, record: BadRecord) -> None:
        self._lines.write(to_json(letter_of(record), self._clock.utc_ns()))

    def flush(self, deadline: Deadline) -> None:  # noqa: ARG002  a local disk has no deadline
        self._lines.flush()

    def close(self) -> None:
        self._lines.close()
