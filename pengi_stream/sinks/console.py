"""Events as lines to read: time, stream, prompt, text, confidence."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Literal

from rich.console import Console
from rich.text import Text

from pengi_stream.clock import Deadline, rfc3339
from pengi_stream.errors import SinkError
from pengi_stream.events import CoverageEvent, DropEvent, Event, GapEvent, SourceEvent, StatusEvent, TextEvent
from pengi_stream.plugins import SinkConfig
from pengi_stream.protocols import Context, EventSink
from pengi_stream.types import NS_PER_S

OFFSETS_UNTIL_NS = 365 * 86_400 * NS_PER_S  # times in 1970 are offsets from a recording's start
NS_PER_TENTH = NS_PER_S // 10
SHOWN_SCORES = 3
SURE = 0.5


class ConsoleSinkConfig(SinkConfig):
    """Lines to read on stdout: time, stream, prompt, text, confidence."""

    type: Literal["console"]

    def build(self, context: Context) -> ConsoleSink:  # noqa: ARG002
        return ConsoleSink(Console(soft_wrap=True, highlight=False))


class ConsoleSink(EventSink):
    """Prints a line for each event, but coverage; in colour on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, items: Sequence[Event]) -> None:
        """Print at once. Raises SinkError when nobody reads any more."""
        try:
            for event in items:
                if not isinstance(event, CoverageEvent):
                    self._console.print(_line(event, self._console.encoding))
        except (BrokenPipeError, SystemExit) as error:  # rich exits when its reader is gone
            raise SinkError("stdout: nobody reads the output any more") from error
        except OSError as error:
            reason = "the disk is full; make room" if error.errno == errno.ENOSPC else str(error.strerror)
            raise SinkError(f"stdout: cannot be written: {reason}") from error

    def flush(self, deadline: Deadline) -> None:
        """Nothing waits: every line was flushed when it was printed."""

    def close(self) -> None:
        """Nothing to release."""


def _line(event: Event, encoding: str) -> Text:
    def shown(value: object) -> str:
        return _printable(str(value), encoding)

    line = Text(f"{_time(event.start_ns)}  ", style="cyan")
    line.append(f"{shown(event.stream_id)}  ", style="dim")
    if not isinstance(event, TextEvent):
        return line.append(shown(_notice(event)), style="yellow")
    line.append(f"{shown(event.prompt_id)}  ", style="dim")
    line.append(f"{shown(event.text)}  ", style="bold")
    line.append(f"{event.confidence:.2f}", style="green" if event.confidence >= SURE else "dim")
    if event.scores is not None:
        line.append(f"  ({shown(_best(event.scores))})", style="dim")
    return line


def _notice(event: GapEvent | SourceEvent | DropEvent | StatusEvent | CoverageEvent) -> str:
    """A gap, a drop or a source's trouble, in words."""
    kind = event.type.removeprefix("pengi_stream.")
    match event:
        case GapEvent():
            return f"{kind} of {event.missing_samples / event.sample_rate:.1f} s: {event.reason}"
        case StatusEvent():
            return f"{event.source} is {event.state}" + (f": {event.reason}" if event.reason else "")
    return f"{kind}: {event.reason}"


def _best(scores: Mapping[str, float]) -> str:
    best = sorted(scores.items(), key=lambda entry: -entry[1])[:SHOWN_SCORES]
    return ", ".join(f"{label} {score:.2f}" for label, score in best)


def _time(ns: int) -> str:
    """`0:01:02.3` into a recording, or the clock's time in UTC."""
    if ns >= OFFSETS_UNTIL_NS:
        return rfc3339(ns // NS_PER_TENTH * NS_PER_TENTH)[:21].replace("T", " ") + "Z"
    tenths = ns // NS_PER_TENTH
    return f"{tenths // 36_000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _printable(text: str, encoding: str) -> str:
    """`text` without what would break the line, drive the terminal or not fit its encoding."""
    safe = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return safe.encode(encoding, "backslashreplace").decode(encoding)
