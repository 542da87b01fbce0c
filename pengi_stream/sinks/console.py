"""Events as lines to read: time, stream, prompt, text, confidence."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.text import Text

from pengi_stream.clock import Deadline, rfc3339
from pengi_stream.errors import SinkError
from pengi_stream.plugins import SinkConfig
from pengi_stream.types import NS_PER_S, Event

OFFSETS_UNTIL_NS = 365 * 86_400 * NS_PER_S  # times in 1970 are offsets from a recording's start
SHOWN_SCORES = 3


class ConsoleSinkConfig(SinkConfig):
    """Lines to read on stdout: time, stream, prompt, text, confidence."""

    type: Literal["console"]

    def build(self) -> ConsoleSink:
        return ConsoleSink(Console(soft_wrap=True, highlight=False))


class ConsoleSink:
    """Prints a line for each event."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, events: Sequence[Event]) -> None:
        try:
            for event in events:
                self._console.print(_line(event))
        except (BrokenPipeError, SystemExit) as error:  # rich ends the process when its reader is gone
            raise SinkError("stdout: nobody reads the output any more") from error
        except OSError as error:
            raise SinkError(f"stdout: cannot be written: {error.strerror}") from error

    def flush(self, deadline: Deadline) -> None:  # noqa: ARG002  a terminal has no deadline
        try:
            sys.stdout.flush()
        except OSError as error:
            raise SinkError(f"stdout: cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Nothing to release."""


def _line(event: Event) -> Text:
    line = Text(f"{_time(event.time_ns)}  ", style="cyan")
    line.append(f"{event.stream_id}  ", style="dim")
    if event.type != "pengi_stream.text":
        kind = event.type.removeprefix("pengi_stream.")
        return line.append(f"{kind}: {event.data['reason']}", style="yellow")
    line.append(f"{event.data['prompt_id']}  ", style="dim")
    line.append(str(event.data["text"]), style="bold")
    line.append(f"  {event.data['confidence']:.2f}", style="dim")
    scores = event.data.get("scores")
    if isinstance(scores, dict):
        best = sorted(scores.items(), key=lambda entry: -entry[1])[:SHOWN_SCORES]
        line.append("  (" + ", ".join(f"{label} {score:.2f}" for label, score in best) + ")", style="dim")
    return line


def _time(ns: int) -> str:
    if ns >= OFFSETS_UNTIL_NS:
        return rfc3339(ns)
    tenths = ns * 10 // NS_PER_S
    return f"{tenths // 36_000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"
