"""Bad records as lines of JSON, with their original bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from pengi_stream.clock import Clock, Deadline
from pengi_stream.plugins import DeadLettersConfig
from pengi_stream.protocols import Context, DeadLetterSink
from pengi_stream.sinks.lines import LineWriter
from pengi_stream.types import BadRecord
from pengi_stream.wire.letter import letter_of, to_json


class JsonlDeadLettersConfig(DeadLettersConfig):
    """What could not be processed, one JSON object a line."""

    type: Literal["jsonl"]
    path: str = Field(min_length=1)

    def build(self, context: Context) -> JsonlDeadLetters:
        return JsonlDeadLetters(LineWriter(self.path, begins=b"{"), context.clock)


class JsonlDeadLetters(DeadLetterSink):
    """Appends bad records to a file of lines; bytes are base64."""

    def __init__(self, lines: LineWriter, clock: Clock) -> None:
        self._lines = lines
        self._clock = clock

    def write(self, items: Sequence[BadRecord]) -> None:
        now_ns = self._clock.utc_ns()
        self._lines.write(b"".join(to_json(letter_of(record), now_ns) for record in items))

    def flush(self, deadline: Deadline) -> None:  # noqa: ARG002  a local disk has no deadline
        self._lines.flush()

    def close(self) -> None:
        self._lines.close()
