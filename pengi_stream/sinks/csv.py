"""Texts as a table, for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from pengi_stream.clock import Deadline
from pengi_stream.events import Event, TextEvent
from pengi_stream.plugins import SinkConfig
from pengi_stream.protocols import Context, EventSink
from pengi_stream.sinks.lines import LineWriter
from pengi_stream.wire.events import data_of

COLUMNS = ("window_start", "window_end", "offset_s", "stream_id", "prompt_id", "prompt", "text", "confidence", "scores")


class CsvSinkConfig(SinkConfig):
    """A table of texts: one row each, with a header."""

    type: Literal["csv"]
    path: str = Field(min_length=1)
    """`-` is stdout."""

    def build(self, context: Context) -> CsvSink:  # noqa: ARG002
        return CsvSink(self.path)


class CsvSink(EventSink):
    """Appends a row for each text; other events have no place in the table."""

    def __init__(self, path: str) -> None:
        self._lines = LineWriter(path, begins=b"window_start,")
        if self._lines.is_empty:
            self._lines.write(_rows([COLUMNS]))

    def write(self, items: Sequence[Event]) -> None:
        rows = [_row(event) for event in items if isinstance(event, TextEvent)]
        if rows:
            self._lines.write(_rows(rows))

    def flush(self, deadline: Deadline) -> None:  # noqa: ARG002  a local disk has no deadline
        self._lines.flush()

    def close(self) -> None:
        self._lines.close()


def _row(event: TextEvent) -> list[object]:
    scores = json.dumps(dict(event.scores), ensure_ascii=False) if event.scores else ""
    values = {**data_of(event), "scores": scores}
    return [" ".join(str(values[column]).splitlines()) for column in COLUMNS]  # a row is one line, so that none is torn


def _rows(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")
