"""Bad records as lines of JSON, with their original bytes."""

from __future__ import annotations

import base64
import json
from typing import Literal

from pydantic import Field

from pengi_stream.clock import Clock, Deadline, SystemClock, rfc3339
from pengi_stream.lines import LineWriter
from pengi_stream.plugins import PluginConfig
from pengi_stream.types import BadRecord


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
        position = record.position
        fields = {
            "stream_id": record.stream.id,
            "reason": record.reason,
            "exception": record.exception,
            "partition": position.partition if position else None,
            "offset": position.offset if position else None,
            "time": rfc3339(record.time_ns),
            "recorded_at": rfc3339(self._clock.utc_ns()),
            "headers": [[name, base64.b64encode(value).decode()] for name, value in record.headers],
            "value": None if record.value is None else base64.b64encode(record.value).decode(),
        }
        line = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        self._lines.write(f"{line}\n".encode("utf-8", "backslashreplace"))

    def flush(self, deadline: Deadline) -> None:  # noqa: ARG002  a local disk has no deadline
        self._lines.flush()

    def close(self) -> None:
        self._lines.close()
