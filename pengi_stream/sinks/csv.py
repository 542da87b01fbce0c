"""Texts as a table, for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from pengi_stream.clock import Deadline
from pengi_stream.plugins import SinkConfig
from pengi_stream.sinks.lines import LineWriter
from pengi_stream.types import Event

COLUMNS = ("window_start", "window_end", "offset_s", "stream_id", "prompt_id", "prompt", "text", "confidence", "scores")


class CsvSinkConfig(SinkConfig):
    """A table of texts: one row each, with a header."""

    type: Literal["csv"]
    path: str = Field(min_length=1)
    """`-` is stdout."""

    def build(self) -> CsvSink:
        return CsvSink(self.path)


class CsvSink:
    """Appends a row for each text; other events have no place in the table."""

    def __init__(self, path: str) -> None:
        self._lines = LineWriter(path, begins=b"window_start,")
        if self._lines.is_empty:
            self._lines.write(_rows([COLUMNS]))

    def write(self, events: Sequence[Event]) -> None:
        rows = [_row(event) for event in events if event.type == "pengi_stream.text"]
        if rows:
            self._lines.write(_rows(rows))

    def flush(self, deadline: Deadline) -> None:  # noqa: ARG002  a local disk has no deadline
        self._lines.flush()

    def close(self) -> None:
        self._lines.close()


def _row(event: Event) -> list[object]:
    scores = event.data.get("scores")
    values = {**event.data, "scores": json.dumps(scores, ensure_ascii=False) if scores else ""}
    return [" ".join(str(values[column]).splitlines()) for column in COLUMNS]  # a row is one line, so that none is torn


def _rows(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")
