"""Events as lines to read: time, stream, prompt, text, confidence."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Literal

from rich.console import Console
from rich.text import Text

from pengi_stream.clock import Deadline, rfc3339
from pengi_stream.errors import SinkError
from pengi_stream.plugins import SinkConfig
from pengi_stream.types import NS_PER_S, Event

OFFSETS_UNTIL_NS = 365 * 86_400 * NS_PER_S  # times in 1970 are offsets from a recording's start
NS_PER_TENTH = NS_PER_S // 10
SHOWN_SCORES = 3
SURE = 0.5


class ConsoleSinkConfig(SinkConfig):
    """Lines to read on stdout: time, stream, prompt, text, confidence."""

    type: Literal["console"]

    def build(self) -> ConsoleSink:
        return ConsoleSink(Console(soft_wrap=True, highlight=False))


class ConsoleSink:
    """Prints a line for each event; in colour on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, events: Sequence[Event]) -> None:
        """Print at once. Raises SinkError when nobody reads any more."""
        try:
            for event in events:
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

    line = Text(f"{_time(event.time_ns)}  ", style="cyan")
    line.append(f"{shown(event.stream_id)}  ", style="dim")
    if event.type != "pengi_stream.text":
        return line.append(shown(_notice(event)), style="yellow")
    line.append(f"{shown(event.data['prompt_id'])}  ", style="dim")
    line.append(f"{shown(event.data['text'])}  ", style="bold")
    confidence = event.data["confidence"]
    if isinstance(confidence, float | int):
        line.append(f"{confidence:.2f}", style="green" if confidence >= SURE else "dim")
    scores = event.data.get("scores")
    if isinstance(scores, Mapping):
        line.append(f"  ({shown(_best(scores))})", style="dim")
    return line


def _notice(event: Event) -> str:
    """A gap, a drop or a source's trouble, in words."""
    kind = event.type.removeprefix("pengi_stream.")
    length = f" of {event.data['duration_s']:.1f} s" if "duration_s" in event.data else ""
    return f"{kind}{length}: {event.data.get('reason', 'no reason given')}"


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
