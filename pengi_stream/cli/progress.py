"""A progress bar for commands that work through files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pengi_stream.clock import Deadline
from pengi_stream.events import Event, TextEvent
from pengi_stream.protocols import EventSink
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.types import NS_PER_S


class ProgressSink(EventSink):
    """Advances a bar to where the texts of all streams have come."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._ends_s: dict[str, float] = {}

    def write(self, items: Sequence[Event]) -> None:
        for event in items:
            if isinstance(event, TextEvent):
                self._ends_s[event.stream_id] = event.end_ns / NS_PER_S
        self._progress.update(self._task, completed=sum(self._ends_s.values()))

    def flush(self, deadline: Deadline) -> None:
        """Nothing to keep."""


@contextmanager
def progress_sinks(total_s: float) -> Iterator[list[NamedSink]]:
    """While inside, a bar on stderr shows how much of `total_s` is done; no bar where stderr is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield []
        return
    columns = (TextColumn("{task.completed:.0f} of {task.total:.0f} s"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("caption", total=total_s)
        yield [NamedSink("progress", ProgressSink(progress, task), required=False)]
        progress.update(task, completed=total_s)
