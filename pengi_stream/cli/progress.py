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

TEXT = "pengi_stream.text"


class ProgressSink(EventSink):
    """Advances a bar to where the texts of all streams have come."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._ends_s: dict[str, float] = {}

    def write(self, items: Sequence[Event]) -> None:
        for event in items:
            if isinstance(event, TextEvent):
                lasts_s = (event.end_ns - event.start_ns) / NS_PER_S
                self._ends_s[event.stream_id] = event.first_sample / event.sample_rate + lasts_s
        self._progress.update(self._task, description="", completed=sum(self._ends_s.values()))

    def flush(self, deadline: Deadline) -> None:
        """Nothing to keep."""


@contextmanager
def progress_sinks(total_s: float, model: str) -> Iterator[list[NamedSink]]:
    """While inside, a bar on stderr shows how much of `total_s` is done, and before that, that `model` is loaded.

    No bar where stderr is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield []
        return
    columns = (
        TextColumn("{task.description}{task.completed:.0f} of {task.total:.0f} s"),
        BarColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"loading {model} ... ", total=total_s)
        yield [NamedSink("progress", ProgressSink(progress, task), required=False)]
        progress.update(task, completed=total_s)


@contextmanager
def loading(model: str, *, shown: bool) -> Iterator[None]:
    """While inside, a line on stderr says that `model` is loaded; none where stderr is no terminal, or not `shown`."""
    console = Console(stderr=True)
    if not (shown and console.is_terminal):
        yield
        return
    with console.status(f"loading {model} ..."):
        yield
